"""Procurement: what is bought, from whom, at what price, and who said yes.

Owns suppliers and what they sell, requisitions from people and from events, sourcing and approval policies, and
purchase orders with immutable revisions. Tells SupplierChanged, the Requisition events, the PurchaseOrder
events and PolicyActivated. Listens to items, people, shortages, replenishment requests, receipts and
inspections.
"""

"""Materials: what is stored where, in which status, for whom; the ledger of every movement.

Owns items, locations, lots, serials, handling units, the append-only ledger with its balances, reservations,
receipts, parts bought for one work order beside the stock, transfers, shipments, structures, production orders,
inspections, tasks, waves and the policies of replenishment, allocation, put-away and counting.
Tells ItemChanged, LotDatesChanged, MovementPosted, ProductionReported, the Reservation events, ReplenishmentNeeded,
ReceiptPosted, ReceiptReversed, InspectionDecided and PolicyActivated. Listens to sites, people, assets that stand
still, work orders' demands, requisitions and purchase orders.
"""

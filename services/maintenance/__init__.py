"""Maintenance: equipment, its use, when it is maintained, the work and what it cost.

Owns sites, calendars, people with their grants (master data of the whole plant), assets, meters and readings,
maintenance policies, occurrences and work orders. Tells SiteChanged, CalendarChanged, PersonChanged,
AssetChanged, MeterRead, the WorkOrder events and PolicyActivated. Listens to what becomes of its demands:
reservations from materials, orders from procurement.
"""

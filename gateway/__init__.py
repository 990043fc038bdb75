"""The HTTP door: every route comes from the contract's descriptors, every rule is checked by the service behind it.

It translates HTTP with JSON to gRPC and back, answers what spans services (scans, chains), describes itself as
OpenAPI, and holds no data. It knows no service's code.
"""

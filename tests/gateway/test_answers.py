"""Answers show what is empty and hide enums that were not given."""

import json

from plantops.maintenance.v1.work_orders_pb2 import ListWorkOrdersResponse, WorkOrder

from gateway.answers import document


def test_an_enum_that_was_not_given_is_never_sent_out() -> None:
    order = WorkOrder(kind="CORRECTIVE", title="Oil")
    order.part_demands.add(item="items/oil")
    shown = json.loads(document(ListWorkOrdersResponse(work_orders=[order])))["workOrders"][0]
    assert shown["kind"] == "CORRECTIVE"
    assert shown["steps"] == []
    assert (shown["title"], shown["text"]) == ("Oil", "")
    assert "UNSPECIFIED" not in json.dumps(shown)
    assert "outcome" not in shown
    assert "state" not in shown["partDemands"][0]

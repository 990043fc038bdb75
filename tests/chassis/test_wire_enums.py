"""Enum fields of a message become members of the column's enum, so that rows compare by identity."""

from plantops.maintenance.v1.policies_pb2 import MaintenanceRevision
from plantops.materials.v1.items_pb2 import Item as ItemMessage

from services.chassis.wire import values_for
from services.maintenance.model.policy import Kind, Revision
from services.materials.model.item import Item, Tracking


def test_a_new_row_holds_enum_members_before_it_was_ever_read() -> None:
    assert values_for(Item, ItemMessage(tracking="LOT"))["tracking"] is Tracking.LOT
    assert values_for(Revision, MaintenanceRevision(kind="FIXED"))["kind"] is Kind.FIXED

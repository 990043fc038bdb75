"""What the release before reads by stays as it is while the next one takes over."""

import pytest

from cli.databases import SERVICES
from services.chassis import bus
from tests.upgrade.released import lists_of


@pytest.mark.rule("REL-25", "OPS-37")
@pytest.mark.parametrize("service", SERVICES)
def test_a_list_of_events_that_was_released_is_not_changed(service: str) -> None:
    before = lists_of(service)
    if before is None:
        pytest.skip("no git history here with the release before")
    present = bus.declaration()["consumers"][service]
    for source, lists in before.items():
        kept = present[source][: len(lists)]
        assert kept == lists, f"{service} receives events of {source} by a list of its own: add one, leave the others"

"""Revisions with four eyes: content bound by its hash, the author neither approves nor activates (SEC-27)."""

from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from sqlalchemy import MetaData, Text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from services.chassis.faults import RevisionImmutable, SegregationOfDuties, TransitionNotAllowed
from services.chassis.revisions import PAIRS, ContentChanged, RevisionColumns, State, next_id

NOW = datetime(2026, 3, 2, tzinfo=UTC)


class Table(SQLModel, registry=registry(metadata=MetaData())):
    """A base of its own."""


class Plan(RevisionColumns, Table, table=True):
    CONTENT: ClassVar[tuple[str, ...]] = ("text", "steps")
    text: str = Field(sa_type=Text)
    steps: str = Field(default="", sa_type=Text)


def plan(**given: Any) -> Plan:
    return Plan(name="plans/p/revisions/r1", policy="plans/p", **{"author": "people/ana", "text": "a", **given})


def test_the_hash_covers_the_content_and_nothing_else() -> None:
    assert plan().digest() == plan(author="people/ben").digest()
    assert plan().digest() != plan(text="b").digest()
    assert plan().digest() != plan(steps="x").digest()


@pytest.mark.rule("SEC-27")
def test_the_author_cannot_approve() -> None:
    revision = plan().submit()
    with pytest.raises(SegregationOfDuties) as caught:
        revision.approve("people/ana", revision.content_hash, NOW)
    assert caught.value.metadata["earlier_act"] == "people/ana"
    assert revision.state is State.SUBMITTED
    approved = revision.approve("people/ben", revision.content_hash, NOW)
    assert (approved.state, approved.approver, approved.approve_time) == (State.APPROVED, "people/ben", NOW)


def test_only_what_was_read_is_approved() -> None:
    revision = plan().submit()
    with pytest.raises(ContentChanged):
        revision.approve("people/ben", "0" * 64, NOW)
    read = revision.content_hash
    revision.text = "changed behind the back"
    with pytest.raises(ContentChanged):
        revision.approve("people/ben", read, NOW)


def test_a_revision_is_editable_as_a_draft_alone() -> None:
    assert plan().editable()
    for state in set(State) - {State.DRAFT}:
        with pytest.raises(RevisionImmutable):
            plan(state=state).editable()
    back = plan().submit().send_back()
    assert (back.state, back.content_hash) == (State.DRAFT, "")


@pytest.mark.rule("REL-68")
@pytest.mark.parametrize("state", list(State))
def test_states_follow_the_table_of_pairs(state: State) -> None:
    for to in State:
        revision = plan(state=state)
        if (state, to) in PAIRS:
            assert revision.move(to).state is to
        else:
            with pytest.raises(TransitionNotAllowed):
                revision.move(to)


def test_numbers_of_revisions_go_on() -> None:
    assert next_id([]) == "r1"
    assert next_id(["plans/p/revisions/r2", "plans/p/revisions/r10"]) == "r11"

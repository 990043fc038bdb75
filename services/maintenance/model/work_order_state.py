"""Where a work order stands, which command leads where, and why a command is refused (5.2)."""

from collections.abc import Mapping
from enum import StrEnum

from services.chassis.faults import FailedPrecondition


class State(StrEnum):
    PLANNED = "PLANNED"
    APPROVED = "APPROVED"
    READY = "READY"
    IN_PROGRESS = "IN_PROGRESS"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


class Kind(StrEnum):
    PREVENTIVE = "PREVENTIVE"
    CORRECTIVE = "CORRECTIVE"
    CONDITION = "CONDITION"
    IMPROVEMENT = "IMPROVEMENT"
    INSPECTION = "INSPECTION"


class Origin(StrEnum):
    MANUAL = "MANUAL"
    POLICY = "POLICY"
    IMPORTED = "IMPORTED"


class Outcome(StrEnum):
    DONE = "DONE"
    PARTLY_DONE = "PARTLY_DONE"
    NOT_DONE = "NOT_DONE"
    NO_FAULT_FOUND = "NO_FAULT_FOUND"


class GateNotMet(FailedPrecondition):
    """Something still hinders the work; one violation for each."""

    text = "{work_order} cannot begin: {gates}."


class ActualsExist(FailedPrecondition):
    """What has begun is completed, not cancelled (MNT-152)."""

    text = "{work_order} has {actuals} already; complete it as NOT_DONE instead."


class StepsOpen(FailedPrecondition):
    """Mandatory steps are not recorded (MNT-157)."""

    text = "{work_order} has mandatory steps without result: {steps}."


PAIRS = frozenset(
    {
        (State.PLANNED, State.APPROVED),
        (State.APPROVED, State.READY),
        (State.READY, State.APPROVED),
        (State.APPROVED, State.PLANNED),
        (State.READY, State.PLANNED),
        (State.READY, State.IN_PROGRESS),
        (State.APPROVED, State.IN_PROGRESS),
        (State.IN_PROGRESS, State.PAUSED),
        (State.PAUSED, State.IN_PROGRESS),
        (State.IN_PROGRESS, State.COMPLETED),
        (State.PAUSED, State.COMPLETED),
        (State.APPROVED, State.COMPLETED),
        (State.READY, State.COMPLETED),
        (State.COMPLETED, State.IN_PROGRESS),
        (State.COMPLETED, State.CLOSED),
        (State.PLANNED, State.CANCELLED),
        (State.APPROVED, State.CANCELLED),
        (State.READY, State.CANCELLED),
    }
)

NOT_STARTED = (State.PLANNED, State.APPROVED, State.READY)
OPEN = (*NOT_STARTED, State.IN_PROGRESS, State.PAUSED)
ENDED = (State.COMPLETED, State.CLOSED, State.CANCELLED)

COMMANDS: Mapping[str, frozenset[State]] = {
    "ApproveWorkOrder": frozenset({State.PLANNED}),
    "ReviseWorkOrder": frozenset({State.APPROVED, State.READY}),
    "RescheduleWorkOrder": frozenset(NOT_STARTED),
    "StartWorkOrder": frozenset({State.APPROVED, State.READY}),
    "PauseWorkOrder": frozenset({State.IN_PROGRESS}),
    "ResumeWorkOrder": frozenset({State.PAUSED}),
    "CompleteWorkOrder": frozenset({State.APPROVED, State.READY, State.IN_PROGRESS, State.PAUSED}),
    "ReopenWorkOrder": frozenset({State.COMPLETED}),
    "CloseWorkOrder": frozenset({State.COMPLETED}),
    "CancelWorkOrder": frozenset(NOT_STARTED),
}
"""Command -> states that it starts from (5.2). A pair of states alone does not say which command may use it:
COMPLETED -> IN_PROGRESS is for reopening, never for starting."""

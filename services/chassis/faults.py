"""Faults: refusals with a canonical code, a sentence and a machine-readable reason (AIP-193).

A fault's reason is its class name in UPPER_SNAKE; its sentence is made from `text` and the keyword
arguments, and every argument becomes metadata, so that a program never has to parse the sentence.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import ClassVar

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

LONGEST_VALUE = 500
MOST_FIELDS = 20
"""What a refusal repeats of a caller's input; a status travels in headers, which have a hard limit."""


def _reason(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


class Fault(Exception):
    """A refusal. Subclasses set `code` by inheriting from a canonical fault, and `text`."""

    code: ClassVar[int] = code_pb2.UNKNOWN
    text: ClassVar[str] = ""
    reason: ClassVar[str] = "FAULT"
    constraint: ClassVar[str] = ""
    by_constraint: ClassVar[dict[str, type["Fault"]]] = {}
    """Faults that stand for a database constraint's violation; made with constraint= and detail=."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if vars(cls).get("constraint"):
            Fault.by_constraint[cls.constraint] = cls
        if "reason" not in vars(cls):
            cls.reason = _reason(cls.__name__)[:63]

    def __init__(self, message: str = "", /, **metadata: object) -> None:
        self.metadata = {name: _plain(value)[:LONGEST_VALUE] for name, value in metadata.items()}
        self.retry_after: timedelta | None = None
        self.fields: list[tuple[str, str]] = []
        self.subjects: list[tuple[str, str, str]] = []
        super().__init__(message or self.text.format_map(self.metadata))

    @property
    def message(self) -> str:
        """The sentence for people."""
        return str(self)

    def at(self, field: str, description: str = "") -> "Fault":
        """Add a field violation (BadRequest); returns the fault."""
        self.fields.append((field, description or self.message))
        return self

    def because(self, kind: str, subject: str, description: str) -> "Fault":
        """Add a precondition violation, e.g. one gate that is not met; returns the fault."""
        self.subjects.append((kind, subject, description))
        return self

    def retry_in(self, delay: timedelta) -> "Fault":
        """Say after what time a retry makes sense; returns the fault."""
        self.retry_after = delay
        return self

    def status(self, domain: str) -> status_pb2.Status:
        """The fault as google.rpc.Status with ErrorInfo{reason, domain, metadata}."""
        details: list[any_pb2.Any] = []

        def pack(message: object) -> None:
            packed = any_pb2.Any()
            packed.Pack(message)  # type: ignore[arg-type]
            details.append(packed)

        pack(error_details_pb2.ErrorInfo(reason=self.reason, domain=domain, metadata=self.metadata))
        if self.fields:
            pack(
                error_details_pb2.BadRequest(
                    field_violations=[
                        error_details_pb2.BadRequest.FieldViolation(field=field, description=text)
                        for field, text in self.fields[:MOST_FIELDS]
                    ]
                )
            )
        if self.subjects:
            pack(
                error_details_pb2.PreconditionFailure(
                    violations=[
                        error_details_pb2.PreconditionFailure.Violation(type=kind, subject=subject, description=text)
                        for kind, subject, text in self.subjects[:MOST_FIELDS]
                    ]
                )
            )
        if self.retry_after is not None:
            delay = duration_pb2.Duration()
            delay.FromTimedelta(self.retry_after)
            pack(error_details_pb2.RetryInfo(retry_delay=delay))
        return status_pb2.Status(code=self.code, message=self.message, details=details)


def _plain(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_plain(item)}" for key, item in value.items())
    if isinstance(value, (set, frozenset)):
        return ", ".join(sorted(_plain(item) for item in value))
    if isinstance(value, Iterable):
        return ", ".join(_plain(item) for item in value)
    return str(value)


class InvalidArgument(Fault):
    """Bad input, whatever the state of the system."""

    code = code_pb2.INVALID_ARGUMENT


class FailedPrecondition(Fault):
    """The system is not in the state that the command needs."""

    code = code_pb2.FAILED_PRECONDITION


class OutOfRange(Fault):
    """A position beyond the end."""

    code = code_pb2.OUT_OF_RANGE


class Unauthenticated(Fault):
    """No valid proof of who calls."""

    code = code_pb2.UNAUTHENTICATED


class PermissionDenied(Fault):
    """The caller may not do this."""

    code = code_pb2.PERMISSION_DENIED


class NotFound(Fault):
    """Nothing of that name that the caller may see."""

    code = code_pb2.NOT_FOUND


class AlreadyExists(Fault):
    """The name or number is taken."""

    code = code_pb2.ALREADY_EXISTS


class Aborted(Fault):
    """A concurrent change won; read again and decide anew."""

    code = code_pb2.ABORTED


class ResourceExhausted(Fault):
    """A limit is reached; later it may work."""

    code = code_pb2.RESOURCE_EXHAUSTED


class Unavailable(Fault):
    """Something that is needed is away; retry with the same request_id."""

    code = code_pb2.UNAVAILABLE


class DeadlineExceeded(Fault):
    """The caller's deadline passed; the outcome is told by a retry with the same request_id."""

    code = code_pb2.DEADLINE_EXCEEDED


class Unimplemented(Fault):
    """No such operation."""

    code = code_pb2.UNIMPLEMENTED


class Internal(Fault):
    """A defect of ours; the log has it under the request id."""

    code = code_pb2.INTERNAL
    text = "An unexpected fault occurred; quote request {request} to the operators."


# --- reasons that all services share, one string and one code for one thing ---------------------------


class FieldInvalid(InvalidArgument):
    """A field breaks a rule; names the field, the rule and the value."""

    text = "{field}: {rule}"

    def __init__(self, *, field: str, rule: str, value: object = "") -> None:
        super().__init__(field=field, rule=rule, value=_plain(value)[:200])
        self.at(field, rule)

    @classmethod
    def of(cls, violations: Iterable[tuple[str, str, object]]) -> "FieldInvalid":
        """Several (field, rule, value) at once; the first is in the sentence, all are in BadRequest."""
        first, *others = violations
        fault = cls(field=first[0], rule=first[1], value=first[2])
        for field, rule, _ in others:
            fault.at(field, rule)
        return fault


class UnitUnknown(InvalidArgument):
    """No such unit code (UN/ECE Recommendation 20)."""

    text = "{unit_code} is not a unit code that is known here."


class UnitIncompatible(InvalidArgument):
    """No conversion between the units for this item."""

    text = "{item} has no conversion from {from_unit} to {to_unit}."


class QuantityNotOnGrid(InvalidArgument):
    """A quantity off the grid of its unit; it is never rounded silently."""

    text = "{field}: {value} is not a multiple of {grid}."

    def __init__(self, *, field: str, value: object, grid: object) -> None:
        super().__init__(field=field, value=value, grid=grid)
        self.at(field)


class TimeInFuture(InvalidArgument):
    """A claimed time lies beyond the database's clock plus the allowance."""

    text = "{field}: {value} is later than {limit}."

    def __init__(self, *, field: str, value: object, limit: object) -> None:
        super().__init__(field=field, value=value, limit=limit)
        self.at(field)


class RowInvalid(InvalidArgument):
    """A row of an import breaks a rule."""

    text = "Row {row}, column {column}: {rule}"


class RequestIdReused(InvalidArgument):
    """The request id was used before with another content."""

    text = "request_id {request_id} was used before for another request; make a new one."

    def __init__(self, *, request_id: object) -> None:
        super().__init__(request_id=request_id)
        self.at("request_id")


class RequestInProgress(Aborted):
    """The first request with this id is still being worked on."""

    text = "request_id {request_id} is still being worked on; ask again."


class TransitionNotAllowed(FailedPrecondition):
    """The state does not allow the move; names the state and what is allowed."""

    text = "{resource} is {state}; from there only {allowed} may follow, not {wanted}."


class RevisionImmutable(FailedPrecondition):
    """A revision cannot change any more."""

    text = "{revision} is {state} and cannot be changed; make a new revision."


class RevisionOverlap(FailedPrecondition):
    """Two revisions would be in force at once."""

    text = "{revision} would be in force together with {other}."


class AmbiguousScope(FailedPrecondition):
    """Two policies would match equally well."""

    text = "{revision} and {other} would match {scope} equally well."


class Cycle(FailedPrecondition):
    """The change would close a circle."""

    text = "This would close a circle: {path}."


class ToleranceExceeded(FailedPrecondition):
    """More or less than the tolerance allows."""

    text = "{quantity} exceeds the limit of {limit}."


class TooOld(FailedPrecondition):
    """The command is older than the time for which it can be recognised."""

    text = "{time} is before {horizon}; commands that old are not applied."


class SegregationOfDuties(PermissionDenied):
    """One person may not do both duties of a pair (SEC-27, SEC-28)."""

    text = "{duty} may not be done by who did the earlier act: {earlier_act}."


class EtagMismatch(Aborted):
    """The resource changed since it was read."""

    text = "{resource} changed since it was read: etag {etag} was given, {current} is current."


class ResourceNotFound(NotFound):
    """No resource of that name that the caller may see."""

    text = "{resource} was not found."


class ResourceExists(AlreadyExists):
    """A resource of that name exists."""

    text = "{resource} exists already."


class Conflict(Aborted):
    """Concurrent changes kept colliding although the command was tried again."""

    text = "Concurrent changes kept colliding ({sqlstate}); try again with the same request_id."


class Overloaded(ResourceExhausted):
    """A limit of the service is reached."""

    text = "{limit} is reached; try again later."


class DependencyUnavailable(Unavailable):
    """A part that this service needs is away."""

    text = "{dependency} cannot be reached at present; try again with the same request_id."


class DatabaseFull(Unavailable):
    """The database has no space for what the command would write; nothing was written."""

    text = "The database has no space left; try again later with the same request_id."


_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}


def grpc_code(code: int) -> grpc.StatusCode:
    """google.rpc.Code number -> grpc.StatusCode."""
    return _GRPC_CODES.get(code, grpc.StatusCode.UNKNOWN)

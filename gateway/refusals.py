"""What the gateway refuses by itself, and any refusal as problem JSON (RFC 9457).

A refusal has google.rpc.Code, reason and metadata as in the services; over HTTP the code gives the status, and
some refusals that HTTP itself has a status for say so.
"""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from services.chassis.faults import Fault, InvalidArgument, NotFound, ResourceExhausted, Unimplemented

DOMAIN = "gateway.plantops"
MEDIA_TYPE = "application/problem+json"
CLIENT_CLOSED = 499

BY_CODE: Mapping[int, int] = {
    code_pb2.OK: 200,
    code_pb2.CANCELLED: CLIENT_CLOSED,
    code_pb2.UNKNOWN: 500,
    code_pb2.INVALID_ARGUMENT: 400,
    code_pb2.DEADLINE_EXCEEDED: 504,
    code_pb2.NOT_FOUND: 404,
    code_pb2.ALREADY_EXISTS: 409,
    code_pb2.PERMISSION_DENIED: 403,
    code_pb2.RESOURCE_EXHAUSTED: 429,
    code_pb2.FAILED_PRECONDITION: 400,
    code_pb2.ABORTED: 409,
    code_pb2.OUT_OF_RANGE: 400,
    code_pb2.UNIMPLEMENTED: 501,
    code_pb2.INTERNAL: 500,
    code_pb2.UNAVAILABLE: 503,
    code_pb2.DATA_LOSS: 500,
    code_pb2.UNAUTHENTICATED: 401,
}


class BodyInvalid(InvalidArgument):
    """The body is no JSON document that can be read."""

    text = "The body cannot be read as JSON: {why}."


class IdempotencyKeyInvalid(InvalidArgument):
    """The Idempotency-Key is no UUID, or the operation has no use for it."""

    text = "Idempotency-Key: {why}."


class HeaderInvalid(InvalidArgument):
    """A header cannot be understood or does not fit the operation."""

    text = "{header}: {why}."


class RouteUnknown(NotFound):
    """No operation has this address."""

    text = "Nothing answers {path}."


class MethodNotAllowed(Unimplemented):
    """The address exists, for other HTTP methods."""

    http_status: ClassVar[int] = 405
    text = "{path} does not answer {method}."


class MediaTypeUnsupported(InvalidArgument):
    """The body is not of a media type that is read here."""

    http_status: ClassVar[int] = 415
    text = "The body must be application/json, not {media_type}."


class BodyTooLarge(ResourceExhausted):
    """The body exceeds the limit."""

    http_status: ClassVar[int] = 413
    text = "The body is larger than {limit} bytes."


class BodyTooSlow(InvalidArgument):
    """The body did not arrive in time."""

    http_status: ClassVar[int] = 408
    text = "The body did not arrive within {seconds} s."


class StatusError(Exception):
    """A service refused; carries its google.rpc.Status and whether it is a stored refusal given again."""

    def __init__(self, status: status_pb2.Status, *, replayed: bool = False) -> None:
        super().__init__(status.message)
        self.status = status
        self.replayed = replayed


def details_of(status: status_pb2.Status) -> dict[str, Any]:
    """The details of a status by type name, each the last of its kind."""
    kinds = (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.PreconditionFailure,
        error_details_pb2.RetryInfo,
    )
    found: dict[str, Any] = {}
    for packed in status.details:
        for kind in kinds:
            if packed.Is(kind.DESCRIPTOR):
                message = kind()
                try:
                    packed.Unpack(message)
                except DecodeError:
                    continue
                found[kind.DESCRIPTOR.name] = message
    return found


def reason_of(status: status_pb2.Status) -> str:
    """The machine-readable reason; the canonical code's name where none is given."""
    info = details_of(status).get("ErrorInfo")
    reason: str = info.reason if info is not None and info.reason else code_pb2.Code.Name(status.code)
    return reason


def http_status(status: status_pb2.Status, *, etag_header: bool = False, key_header: bool = False) -> int:
    """The HTTP status; 412 and 422 where HTTP's own header was used (If-Match, Idempotency-Key)."""
    reason = reason_of(status)
    if etag_header and reason == "ETAG_MISMATCH":
        return 412
    if key_header and reason == "REQUEST_ID_REUSED":
        return 422
    return BY_CODE.get(status.code, 500)


def problem(status: status_pb2.Status, number: int, request_id: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Problem document and headers of a refusal."""
    details = details_of(status)
    reason = reason_of(status)
    document: dict[str, Any] = {
        "type": f"urn:plantops:reason:{reason}",
        "title": "Client Closed Request" if number == CLIENT_CLOSED else HTTPStatus(number).phrase,
        "status": number,
        "detail": status.message,
        "instance": f"urn:plantops:request:{request_id}",
        "code": code_pb2.Code.Name(status.code),
        "reason": reason,
    }
    headers: dict[str, str] = {}
    if (info := details.get("ErrorInfo")) is not None:
        document |= {"domain": info.domain, "metadata": dict(info.metadata)}
    if (bad := details.get("BadRequest")) is not None:
        document["fields"] = [{"field": item.field, "description": item.description} for item in bad.field_violations]
    if (unmet := details.get("PreconditionFailure")) is not None:
        document["preconditions"] = [
            {"type": item.type, "subject": item.subject, "description": item.description} for item in unmet.violations
        ]
    if (again := details.get("RetryInfo")) is not None:
        seconds = again.retry_delay.seconds + again.retry_delay.nanos / 1e9
        document["retryAfter"] = f"{seconds:g}s"
        headers["retry-after"] = str(max(1, math.ceil(seconds)))
    if number == 401:
        headers["www-authenticate"] = 'Bearer realm="plantops"' + (
            ', error="invalid_token"' if "there is none" not in status.message else ""
        )
    return document, headers


def status_of(fault: Fault) -> tuple[status_pb2.Status, int | None]:
    """A fault of the gateway as a status, with the HTTP status that it asks for."""
    return fault.status(DOMAIN), getattr(fault, "http_status", None)

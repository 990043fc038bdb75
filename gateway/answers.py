"""What goes back over HTTP: messages as proto3 JSON, refusals as problem JSON, streams as lines of JSON.

Fields without presence are always written, also when they are zero or empty, so that a client need not know the
defaults; unset messages and enums that were not given are left out. 64-bit numbers are texts, enums their names.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from functools import cache
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.rpc import status_pb2
from starlette.responses import Response, StreamingResponse

from gateway.refusals import MEDIA_TYPE, StatusError, http_status, problem

LARGE = 64 * 1024
"""Bytes from which a document is worked on in a thread, so that the loop goes on (REL-78)."""


def document(message: Message) -> bytes:
    """A message as JSON text; what is empty is shown, an enum that was not given is not."""
    content = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    _hide_unspecified(message.DESCRIPTOR, content)
    return dumps(content)


def _hide_unspecified(descriptor: Descriptor, content: dict[str, Any]) -> None:
    """Leave out enum fields at their zero value: it stands for "not given" and is never sent out (AIP-126)."""
    enums, inner = _enums(descriptor)
    for name, zero in enums:
        if content.get(name) == zero:
            del content[name]
    for name, kind in inner:
        value = content.get(name)
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, dict):
                _hide_unspecified(kind, item)


@cache
def _enums(descriptor: Descriptor) -> tuple[list[tuple[str, str]], list[tuple[str, Descriptor]]]:
    """Enum fields with the name of their zero, and the message fields of the contract to look into."""
    enums: list[tuple[str, str]] = []
    inner: list[tuple[str, Descriptor]] = []
    for field in descriptor.fields:
        if field.enum_type is not None and not field.is_repeated:
            enums.append((field.json_name, field.enum_type.values_by_number[0].name))
        elif field.message_type is not None and _to_look_into(field.message_type):
            inner.append((field.json_name, field.message_type))
    return enums, inner


def _to_look_into(kind: Descriptor) -> bool:
    return bool(kind.full_name.startswith("plantops.") and not kind.GetOptions().map_entry)


def dumps(value: Any) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


async def answer(message: Message, headers: Mapping[str, str]) -> Response:
    """200 with a message."""
    large = message.ByteSize() > LARGE
    content = await asyncio.to_thread(document, message) if large else document(message)
    return Response(content, 200, headers, "application/json")


def refusal(
    status: status_pb2.Status, request_id: str, number: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """A problem document with its status and headers."""
    content, own = problem(status, number or http_status(status), request_id)
    return Response(dumps(content), content["status"], {**own, **(headers or {})}, MEDIA_TYPE)


async def lines(messages: AsyncIterator[Message], request_id: str) -> Response:
    """A stream as NDJSON; a refusal before the first message is an ordinary one, a later one the last line."""
    first = await anext(messages, None)

    async def content() -> AsyncIterator[bytes]:
        if first is None:
            return
        yield document(first) + b"\n"
        try:
            async for message in messages:
                yield document(message) + b"\n"
        except StatusError as error:
            found, _ = problem(error.status, http_status(error.status), request_id)
            yield dumps({"problem": found}) + b"\n"

    return StreamingResponse(content(), 200, media_type="application/x-ndjson")

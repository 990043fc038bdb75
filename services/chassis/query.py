"""One page of a list: filter, order and a signed keyset token (AIP-158, AIP-160, SEC-33).

A token holds the last row's order values; it is bound to caller, method, parent, filter and order, and every
page is one query that starts behind that row, so that rows inserted meanwhile shift nothing (PERF-10).
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from google.protobuf.descriptor import Descriptor
from sqlalchemy import ColumnElement, Select, Text, and_, any_, literal, or_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.db import json_value
from services.chassis.faults import FieldInvalid
from services.chassis.filters import column_of, compile_filter

T = TypeVar("T")

DEFAULT_SIZE = 50
MAX_SIZE = 500

Order = tuple[ColumnElement[Any], bool]


def among(column: Any, texts: Iterable[str]) -> ColumnElement[bool]:
    """Whether a column of text is one of these; by one array, so that it is one statement whatever their number."""
    found: ColumnElement[bool] = column == any_(literal(sorted(set(texts)), ARRAY(Text)))
    return found


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows in order; an empty token is the end."""

    rows: Sequence[T]
    next_page_token: str = ""


async def fetch(
    session: AsyncSession,
    model: type[T],
    descriptor: Descriptor,
    request: Any,
    statement: Select[Any],
    *,
    principal: str,
    key: bytes,
) -> Page[T]:
    """One page of a statement's rows; FieldInvalid for a bad size, filter, order or token."""
    size = page_size(request)
    filter_text: str = getattr(request, "filter", "")
    order_text: str = getattr(request, "order_by", "")
    condition = compile_filter(model, descriptor, filter_text)
    if condition is not None:
        statement = statement.where(condition)
    order = order_of(model, descriptor, order_text)
    bound = "\n".join([principal, getattr(request, "parent", ""), filter_text, order_text, descriptor.full_name])
    if request.page_token:
        values = open_token(request.page_token, bound, key, len(order))
        statement = statement.where(_behind(order, [_typed(c, v) for (c, _), v in zip(order, values, strict=True)]))
    statement = statement.order_by(*(c.desc() if down else c.asc() for c, down in order)).limit(size + 1)
    rows = (await session.execute(statement)).scalars().all()
    if len(rows) <= size:
        return Page(rows)
    last = rows[size - 1]
    return Page(rows[:size], seal_token([getattr(last, str(c.key)) for c, _ in order], bound, key))


def page_size(request: Any) -> int:
    """Rows of a page: 0 = the usual 50, more than 500 = 500, negative = FieldInvalid."""
    if request.page_size < 0:
        raise FieldInvalid(field="page_size", rule="must not be negative", value=request.page_size)
    return min(request.page_size or DEFAULT_SIZE, MAX_SIZE)


def position(request: Any) -> int:
    """Last position of the page before, for lists whose token is a plain position; 0 for the first page."""
    token: str = request.page_token
    if token and not (token.isascii() and token.isdigit() and len(token) <= 18):
        raise FieldInvalid(field="page_token", rule="must come from the page before", value=token)
    return int(token or 0)


def order_of(model: Any, descriptor: Descriptor, text: str) -> list[Order]:
    """Columns to order by, with the name as last tie-break."""
    order: list[Order] = []
    seen: set[str] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, direction = part.partition(" ")
        if direction.strip() not in ("", "asc", "desc") or name in seen or len(seen) > 4:
            raise FieldInvalid(field="order_by", rule="lists up to five fields, each with asc or desc", value=part)
        seen.add(name)
        column, _ = column_of(model, descriptor, name, "order_by")
        order.append((column, direction.strip() == "desc"))
    if "name" not in seen:
        order.append((model.__table__.c["name"], False))
    return order


def _behind(order: Sequence[Order], values: Sequence[Any]) -> ColumnElement[bool]:
    """Rows behind a position; nulls are last ascending and first descending, as PostgreSQL orders them."""
    found: list[ColumnElement[bool]] = []
    same: list[ColumnElement[bool]] = []
    for (column, down), value in zip(order, values, strict=True):
        nullable = bool(getattr(column, "nullable", True))
        later: ColumnElement[bool] | None
        if value is None:
            later = column.is_not(None) if down else None
        elif down:
            later = column < value
        else:
            later = or_(column > value, column.is_(None)) if nullable else column > value
        if later is not None:
            found.append(and_(*same, later))
        same.append(column.is_not_distinct_from(value) if nullable else column == value)
    return or_(*found)


def _typed(column: ColumnElement[Any], value: Any) -> Any:
    if value is None:
        return None
    try:
        kind = column.type.python_type
    except NotImplementedError:
        return value
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is date:
        return date.fromisoformat(value)
    return Decimal(value) if kind is Decimal else value


def _sign(content: bytes, bound: str, key: bytes) -> bytes:
    return hmac.new(key, content + b"\n" + bound.encode(), hashlib.sha256).digest()[:16]


def seal_token(values: Sequence[Any], bound: str, key: bytes) -> str:
    """A page token of a position, signed for what it is bound to."""
    content = json.dumps(values, default=json_value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_sign(content, bound, key) + content).decode().rstrip("=")


def open_token(token: str, bound: str, key: bytes, count: int) -> list[Any]:
    """The position of a page token; FieldInvalid when it was changed or belongs to another list."""
    try:
        data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        content = data[16:]
        if hmac.compare_digest(data[:16], _sign(content, bound, key)):
            values: list[Any] = json.loads(content)
            if len(values) == count:
                return values
    except ValueError:
        pass
    raise FieldInvalid(field="page_token", rule="must come from the same list with the same filter and order")

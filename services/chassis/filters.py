"""The filter language of lists (AIP-160 subset): text -> SQLAlchemy condition, checked against the descriptor.

    state = READY AND (asset = "sites/hamburg/assets/pump-7" OR NOT priority > 2) AND tags:"hot"

OR binds more tightly than AND. Fields come from the resource and its list of filterable fields only (SEC-31).
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, NoReturn

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from sqlalchemy import ColumnElement, and_, literal_column, not_, or_
from sqlalchemy.dialects.postgresql import ARRAY as PG_ARRAY
from sqlalchemy.types import ARRAY

from services.chassis import wire
from services.chassis.faults import FieldInvalid

MAX_LENGTH = 1000
MAX_TERMS = 32

_TOKEN = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))|(?P<op>!=|<=|>=|=|<|>|:)|"(?P<text>(?:[^"\\]|\\.)*)"
    |(?P<word>-?[\w.+*/-]+))""",
    re.VERBOSE,
)

_BITS = {FieldDescriptor.CPPTYPE_INT32: 31, FieldDescriptor.CPPTYPE_INT64: 63}

Condition = ColumnElement[bool]
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a.is_distinct_from(b),
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def compile_filter(model: Any, descriptor: Descriptor, text: str) -> Condition | None:
    """The condition of a filter, None for an empty one; FieldInvalid names the place that is wrong."""
    if not text.strip():
        return None
    if len(text) > MAX_LENGTH:
        raise FieldInvalid(field="filter", rule=f"has at most {MAX_LENGTH} characters", value=len(text))
    parser = _Parser(model, descriptor, text)
    condition = parser.conjunction()
    if parser.peek() is not None:
        parser.refuse(f"{parser.peek()!r} was not expected")
    return condition


class _Parser:
    def __init__(self, model: Any, descriptor: Descriptor, text: str) -> None:
        self.model = model
        self.descriptor = descriptor
        self.text = text
        self.terms = 0
        self.depth = 0
        self.tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text.rstrip()):
            match = _TOKEN.match(text, place)
            if match is None:
                self.refuse(f"cannot be read at character {place + 1}")
            kind = match.lastgroup or ""
            value = match[kind]
            self.tokens.append((kind, re.sub(r"\\(.)", r"\1", value) if kind == "text" else value))
            place = match.end()
        self.index = 0

    def refuse(self, rule: str) -> NoReturn:
        raise FieldInvalid(field="filter", rule=rule, value=self.text)

    def peek(self) -> str | None:
        return self.tokens[self.index][1] if self.index < len(self.tokens) else None

    def take(self, *kinds: str) -> tuple[str, str]:
        if self.index >= len(self.tokens):
            self.refuse("ends too early")
        kind, value = self.tokens[self.index]
        if kind not in kinds:
            self.refuse(f"{value!r} was not expected")
        self.index += 1
        return kind, value

    def word(self, word: str) -> bool:
        if self.index < len(self.tokens) and self.tokens[self.index] == ("word", word):
            self.index += 1
            return True
        return False

    def conjunction(self) -> Condition:
        found = [self.disjunction()]
        while self.word("AND"):
            found.append(self.disjunction())
        return and_(*found)

    def disjunction(self) -> Condition:
        found = [self.term()]
        while self.word("OR"):
            found.append(self.term())
        return or_(*found)

    def term(self) -> Condition:
        if self.word("NOT"):
            return not_(self.term())
        if self.index < len(self.tokens) and self.tokens[self.index][0] == "open":
            self.depth += 1
            if self.depth > MAX_TERMS:
                self.refuse("is nested too deeply")
            self.take("open")
            found = self.conjunction()
            self.take("close")
            self.depth -= 1
            return found
        self.terms += 1
        if self.terms > MAX_TERMS:
            self.refuse(f"has at most {MAX_TERMS} terms")
        _, name = self.take("word")
        _, operator = self.take("op")
        kind, value = self.take("word", "text")
        return self.restriction(name, operator, value, quoted=kind == "text")

    def restriction(self, name: str, operator: str, value: str, *, quoted: bool) -> Condition:
        column, field = column_of(self.model, self.descriptor, name, "filter")
        if isinstance(column.type, (ARRAY, PG_ARRAY)):
            if operator != ":":
                self.refuse(f"{name} is a list; use {name}:value")
            contained: Condition = column.bool_op("@>")([value])  # what an index on a list's elements serves
            return contained
        if operator == ":":
            if value == "*":
                present: Condition = column.is_not(None)
                return present
            if field.type != FieldDescriptor.TYPE_STRING:
                self.refuse(f"{name} has no part to look for; use =")
            part: Condition = column.icontains(value, autoescape=True)
            return part
        literal = self.literal(field, value, name, quoted=quoted)
        if literal is None:
            return column.is_(None) if operator == "=" else column.is_not(None)
        compared: Condition = _COMPARE[operator](column, literal)
        usual = getattr(self.model, "USUAL", {}).get(name)
        if operator == "=" and usual is not None and literal != usual:
            # said once more, so that the index that leaves out what nearly all rows hold is known to serve
            return and_(compared, column != literal_column(f"'{usual}'"))
        return compared

    def literal(self, field: FieldDescriptor, value: str, name: str, *, quoted: bool) -> Any:
        if value == "null" and not quoted:
            return None
        if field.enum_type is not None:
            if value not in field.enum_type.values_by_name:
                known = ", ".join(item.name for item in field.enum_type.values[1:])
                self.refuse(f"{name} may be {known}")
            return value
        if field.type == FieldDescriptor.TYPE_BOOL:
            if value not in ("true", "false"):
                self.refuse(f"{name} is true or false")
            return value == "true"
        kind = field.message_type.full_name if field.message_type is not None else ""
        try:
            if kind == wire.TIMESTAMP:
                instant = datetime.fromisoformat(value)
                return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
            if kind == wire.DATE:
                return date.fromisoformat(value)
            if kind in (wire.QUANTITY, wire.MONEY, wire.DECIMAL):
                return wire.decimal_of(value)
            bits = _BITS.get(field.cpp_type)
            if bits is not None:
                number = int(value)
                if not -(1 << bits) <= number < 1 << bits:
                    self.refuse(f"{name}: {value} is out of range")
                return number
        except (ValueError, FieldInvalid):
            self.refuse(f"{name}: {value!r} is not of its type")
        return value


def column_of(model: Any, descriptor: Descriptor, name: str, where: str) -> tuple[ColumnElement[Any], FieldDescriptor]:
    """Column and message field of a name that lists may be filtered or ordered by."""
    field = descriptor.fields_by_name.get(name)
    if field is None or (name != "name" and name not in model.FILTERABLE):
        known = ", ".join(sorted({"name", *model.FILTERABLE}))
        raise FieldInvalid(field=where, rule=f"{name} cannot be used here; {known} can", value=name)
    return model.__table__.c[name], field

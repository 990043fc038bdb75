"""Which statements of a migration would stop or break a plant that runs (REL-82).

A revision after the first runs while the release before serves calls: nothing that this release needs may go away or
change its kind, and no table in use may be locked for longer than a moment. Tables that the revision makes itself
are nobody's yet. A contract step, which says by `schema_info.min_release` which release is the oldest that may run,
may take away what no such release uses.
"""

import re
from collections.abc import Collection, Iterable

_NAME = r'(?:"?public"?\.)?"?(\w+)"?'
_TABLE = re.compile(rf"^alter table (?:only )?(?:if exists )?(?:only )?{_NAME} (.*)$")
_INDEX = re.compile(rf"^create (?:unique )?index (concurrently )?.*? ?\bon (?:only )?{_NAME}")
_VOLATILE = re.compile(
    r"\bdefault\b[^,]*\b(uuidv7|gen_random_uuid|random|clock_timestamp|nextval|pg_current_xact_id)\s*\("
)
_SERIAL = re.compile(r"add (column )?(?!column )\S+ (big|small)?serial\b")
_CONTRACT = ("drop column", "drop table", "drop constraint")


def statements(sql: str) -> list[str]:
    """Single statements in lower case, without comments, bodies of functions and superfluous space."""
    text = re.sub(r"--[^\n]*|/\*.*?\*/", " ", sql, flags=re.DOTALL)
    text = re.sub(r"\$(\w*)\$.*?\$\1\$", "$$", text, flags=re.DOTALL)
    return [found for part in text.split(";") if (found := " ".join(part.split()).lower())]


def unsafe(executed: Iterable[str], in_use: Collection[str]) -> list[str]:
    """What is wrong with the statements of one revision; `in_use` are the tables that were there before it."""
    every = [one for sql in executed for one in statements(sql)]
    contract = any("schema_info" in one and one.startswith("insert") for one in every)
    found = [f"{what}: {one}" for one in every for what in _wrong(one, in_use, contract=contract)]
    apart = [one for one in every if "index concurrently" in one or " validate constraint " in one]
    others = [
        one
        for one in every
        if re.match(r"create table|alter table \S+ add column|create (or replace )?function|create type", one)
    ]
    if apart and others:
        found.append(f"what is run outside of the transaction needs a revision of its own: {apart[0]}")
    return found


def _wrong(one: str, in_use: Collection[str], *, contract: bool) -> Iterable[str]:
    if one.startswith("drop table") and not contract:
        yield "a table goes away"
    if one.startswith(("drop type", "alter type")) and (one.startswith("drop") or " rename " in one):
        yield "a type goes away or is renamed"
    if one.startswith("drop index") and "concurrently" not in one:
        yield "an index is dropped under an exclusive lock"
    if one.startswith(("lock table", "cluster", "vacuum full", "truncate")):
        yield "a table is locked"
    index = _INDEX.match(one)
    if index and not index[1] and index[2] in in_use:
        yield "an index is built while nobody may write"
    table = _TABLE.match(one)
    if table is None or table[1] not in in_use:
        return
    for change in _changes(table[2]):
        yield from _wrong_change(change, contract=contract)


def _changes(text: str) -> list[str]:
    """The comma-separated changes of an ALTER TABLE; commas in parentheses do not count."""
    parts, depth, begin = [], 0, 0
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append(text[begin:at].strip())
            begin = at + 1
    return [*parts, text[begin:].strip()]


def _wrong_change(change: str, *, contract: bool) -> Iterable[str]:
    if change.startswith("rename") or " rename " in change:
        yield "what the release before knows by its name is renamed"
    if change.startswith("drop column") and not contract:
        yield "a column goes away"
    if re.match(r"alter (column )?\S+ (set data )?type\b", change):
        yield "a column changes its type"
    if re.match(r"alter (column )?\S+ set not null", change):
        yield "every row is read under an exclusive lock"
    if re.match(r"add (column )?(?!constraint)", change) and not re.match(
        r"add (primary|unique|foreign|check|exclude|not null|constraint)", change
    ):
        if "not null" in change and "default" not in change:
            yield "the release before does not fill the column"
        if _VOLATILE.search(change) or " generated " in change or _SERIAL.match(change):
            yield "every row is written anew"
        if " references " in change or " unique" in change or " check " in change:
            yield "a rule comes with the column and is compared with every row"
    if re.match(r"add (constraint \S+ )?(check|foreign key|not null)", change) and "not valid" not in change:
        yield "every row is compared under a lock: NOT VALID, then VALIDATE"
    if re.match(r"add (constraint \S+ )?(primary key|unique|exclude)", change) and "using index" not in change:
        yield "an index is built while nobody may read: build it concurrently, then USING INDEX"

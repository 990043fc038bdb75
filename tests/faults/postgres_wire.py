"""As much of PostgreSQL's frontend protocol as it takes to see a COMMIT pass, simple or extended."""

ASKED_BEFORE = 80_877_102
"""Codes from here on ask for TLS, GSS or a cancellation; smaller ones are versions of the protocol."""


class CommitWatch:
    """Follows what one client sends."""

    def __init__(self) -> None:
        self._pending = b""
        self._typed = False
        self._statements: set[bytes] = set()
        self._portals: set[bytes] = set()

    def sees_commit(self, data: bytes) -> bool:
        """Whether a COMMIT is executed within these bytes (or ends with them)."""
        self._pending += data
        found = False
        while message := self._next():
            found = self._commits(*message) or found
        return found

    def _next(self) -> tuple[bytes, bytes] | None:
        head = 1 if self._typed else 0
        if len(self._pending) < head + 4:
            return None
        length = int.from_bytes(self._pending[head : head + 4])
        if len(self._pending) < head + length:
            return None
        kind, body = self._pending[:head], self._pending[head + 4 : head + length]
        self._pending = self._pending[head + length :]
        if not self._typed:
            self._typed = int.from_bytes(body[:4]) < ASKED_BEFORE
            return b"-", body
        return kind, body

    def _commits(self, kind: bytes, body: bytes) -> bool:
        if kind == b"Q":
            return _is_commit(body)
        if kind == b"P":  # Parse: name, text
            name, _, rest = body.partition(b"\0")
            (self._statements.add if _is_commit(rest) else self._statements.discard)(name)
        elif kind == b"B":  # Bind: portal, statement
            portal, _, rest = body.partition(b"\0")
            known = rest.partition(b"\0")[0] in self._statements
            (self._portals.add if known else self._portals.discard)(portal)
        elif kind == b"E":  # Execute: portal
            return body.partition(b"\0")[0] in self._portals
        return False


def _is_commit(text: bytes) -> bool:
    return text.partition(b"\0")[0].strip().rstrip(b";").strip().upper() in {b"COMMIT", b"END"}

"""HTTP/1.1 as uvicorn speaks it; a request for which there is no place is refused before a task is made for it.

The refusal goes out as soon as the headers are there; what the client still sends is read and forgotten, so that
its connection can be kept.
"""

from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.gate import Gate


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol behind a gate."""

    gate: ClassVar[Gate]

    def on_headers_complete(self) -> None:
        """Refuse at once, unless an answer is still under way on this connection or the gate lets the request in."""
        self._refused = False
        quiet = self.cycle is None or self.cycle.response_complete
        if quiet and not self.parser.should_upgrade() and b"%" not in self.url:
            path = self.url.partition(b"?")[0].decode("ascii", "replace")
            refusal = self.gate.early(path, self.headers)
            if refusal is not None:
                self._refuse(*refusal)
                return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Forget the body of what was refused."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the next request after one that was refused."""
        if not self._refused:
            super().on_message_complete()
        elif not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _refuse(self, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self._refused = True
        self.server_state.total_requests += 1
        closes = not self.parser.should_keep_alive() or (b"connection", b"close") in headers
        if closes and headers[-1][0] != b"connection":
            headers.append((b"connection", b"close"))
        lines = [name + b": " + value + b"\r\n" for name, value in (*self.server_state.default_headers, *headers)]
        self.transport.write(b"".join((STATUS_LINE[429], *lines, b"\r\n", body)))
        if closes:
            self.transport.close()


def behind(gate: Gate) -> type[Protocol]:
    """The protocol of one gateway."""
    return type("Gated", (Protocol,), {"gate": gate})

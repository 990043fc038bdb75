"""What a unit of work belongs to, and how the process around it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from nats.aio.client import Client

from services.chassis import access
from services.chassis.config import ServiceConfig
from services.chassis.fields import Violation
from services.chassis.metrics import Metrics
from services.chassis.tracing import Tracing
from services.chassis.turns import Turns

if TYPE_CHECKING:
    from services.chassis.envelope import Envelope


class Standing(Protocol):
    """How the process stands: whether it is ready, why not, its connection to the broker, and what it consumes."""

    ready: bool
    why: list[str]
    nc: Client | None
    consumers: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What a unit belongs to: the service, and the call, event or job that opened it."""

    service: str
    caller: access.Caller
    method: MethodDescriptor | None = None
    request: Message | None = None
    event: "Envelope | None" = None
    traceparent: str = ""
    ip: str = ""
    page_token_key: bytes = b""
    standing: Standing | None = None
    metrics: Metrics | None = None
    tracing: Tracing | None = None
    config: ServiceConfig | None = None
    bad: Mapping[int, Sequence[Violation]] = field(default_factory=dict)
    """What is wrong with entries of a batch, by index."""
    turns: Turns | None = None

    @property
    def domain(self) -> str:
        """Domain of ErrorInfo."""
        return f"{self.service}.plantops"

    @property
    def action(self) -> str:
        """What is done, before a unit turns to another event: the permission of the rpc, the event, or the job."""
        if self.method is not None:
            return access.scope_of(self.method)
        return self.event.type if self.event is not None else f"{self.service}.job"

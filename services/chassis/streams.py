"""Calls whose request or answer is a stream: a unit for a reading server stream, a unit for each message of a client.

Nothing is tried again here: the client, who knows what was answered, asks again.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import code_pb2
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.chassis import access, command, requests
from services.chassis.admission import OTHERS, RETRY
from services.chassis.db import DRIVER_ERRORS, sqlstate
from services.chassis.fault_points import reach
from services.chassis.faults import Fault, Overloaded
from services.chassis.idempotency import Answer, Ledger, request_hash
from services.chassis.turns import NotItsTurn
from services.chassis.unit import Unit

if TYPE_CHECKING:
    from services.chassis.command import Call, Commands


class Streams:
    """Streams of one process."""

    def __init__(self, commands: "Commands") -> None:
        self._commands = commands

    @asynccontextmanager
    async def _translated(self, request: Message) -> AsyncIterator[None]:
        """In a stream nothing is tried again: the client, who knows what was answered, asks again."""
        try:
            yield
        except DRIVER_ERRORS as error:
            given_up = self._commands.given_up(error, sqlstate(error), request)
            raise (
                command.Late(limit=f"{command.LONGEST:g}") if isinstance(given_up, TimeoutError) else given_up
            ) from error
        except NotItsTurn as error:
            raise Overloaded(limit=OTHERS).retry_in(RETRY) from error
        except PoolTimeout as error:
            raise Overloaded(limit="the number of database connections").retry_in(RETRY) from error

    async def read(
        self,
        method: MethodDescriptor,
        request: Message,
        call: "Call",
        body: Callable[[Any, Unit], AsyncGenerator[Any, None]],
    ) -> AsyncGenerator[Message, None]:
        """Run a reading server stream in one unit; each row is filled into the response message."""
        limit = command.LONGEST if call.timeout is None else min(call.timeout, command.LONGEST)
        if limit <= 0:
            raise command.Late(limit=f"{limit:g}")
        ends = time.monotonic() + limit
        claims = await self._commands.identify(call.token)
        command.tell_who(claims, request)
        kind = message_factory.GetMessageClass(method.output_type)
        async with self._commands.admission.stream(), self._translated(request), self._commands.sessions() as session:
            now = await self._commands.begin(session, ends)
            caller = await access.load_caller(session, claims, self._commands.config)
            access.check(caller, method, request)
            requests.check(request, method)
            unit = Unit(session, self._commands.context(caller, method, request, call), now)
            try:
                async with aclosing(body(request, unit)) as items:  # before the session that it reads from
                    async for item in items:
                        yield await command.complete(kind(), item)
            finally:
                unit.close()

    def opener(self, method: MethodDescriptor, call: "Call") -> Callable[[Message], Any]:
        """`open_unit` for a client stream: a unit per message, with the same checks and replay as a call."""

        @asynccontextmanager
        async def open_unit(request: Message) -> AsyncIterator[Unit]:
            claims = await self._commands.identify(call.token)
            command.tell_who(claims, request)
            async with self._translated(request), self._commands.sessions() as session:
                now = await self._commands.begin(session, None)
                caller = await access.load_caller(session, claims, self._commands.config)
                access.check(caller, method, request)
                bad = requests.check(request, method)
                unit = Unit(session, self._commands.context(caller, method, request, call, bad), now)
                try:
                    await self._in_stream(unit, method, request)
                    yield unit
                    await self._end_in_stream(unit, method)
                except IntegrityError as error:
                    raise command.named(error) from error
                finally:
                    unit.close()
            if unit.emitted:
                self._commands.wake()

        return open_unit

    async def _in_stream(self, unit: Unit, method: MethodDescriptor, request: Message) -> None:
        if unit.request_id is None or not requests.changes(request.DESCRIPTOR):
            return
        ledger = Ledger(unit.session, unit.principal, method.full_name, self._commands.metrics)
        before = (await ledger.claim([(unit.request_id, request_hash(request))]))[unit.request_id]
        await reach("unit.after_idempotency_insert")
        if isinstance(before, Fault):
            raise before
        if before is not None:
            unit.replayed = before.into(message_factory.GetMessageClass(method.output_type)())

    async def _end_in_stream(self, unit: Unit, method: MethodDescriptor) -> None:
        if unit.replayed is None:
            await unit.write()
            if unit.answered is not None and unit.request_id is not None:
                kind = message_factory.GetMessageClass(method.output_type)
                message = await command.complete(kind(), unit.answered)
                unit.answered = message
                ledger = Ledger(unit.session, unit.principal, method.full_name, self._commands.metrics)
                answer = Answer(code_pb2.OK, message.SerializeToString())
                await ledger.store([(unit.request_id, answer)])
        await self._commands.commit(unit.session)

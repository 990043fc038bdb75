"""A gateway that drains cuts nobody off: who is connected is told, who is being connected is served."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import uvloop

from gateway.serve import Server
from gateway.upstream import target_of
from tests.gateway.conftest import gateway_config
from tests.signing import Issuer

ASK = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture
async def server(issuer: Issuer) -> AsyncIterator[Server]:
    found = Server(gateway_config(issuer, {}, linger=30))
    await found.start()
    yield found
    if not found.gateway.draining:
        await found.stop()


async def answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
    return head


async def refused(port: int) -> None:
    """Wait until the port takes no connections."""
    async with asyncio.timeout(20):
        while True:
            with socket.socket() as probe:
                probe.setblocking(False)
                try:
                    await asyncio.get_running_loop().sock_connect(probe, ("127.0.0.1", port))
                except ConnectionError:
                    return
            await asyncio.sleep(0.01)


@pytest.mark.rule("OPS-17", "REL-80")
async def test_an_idle_connection_has_one_more_request_and_is_told(server: Server) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
    for reader, writer in idle:
        writer.write(ASK)
        assert b"\r\nconnection:" not in await answer(reader)
    stopping = asyncio.create_task(server.stop())
    await refused(server.port)
    for reader, writer in idle:
        assert not server._uvicorn.should_exit  # it waits for those who are connected
        writer.write(ASK)
        head = await answer(reader)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nconnection: close\r\n" in head
        assert await reader.read() == b""
        writer.close()
    await stopping  # nobody is connected any more: it does not wait for the rest of the 30 s


@pytest.mark.rule("OPS-17")
def test_who_is_connected_and_not_accepted_yet_is_served(issuer: Issuer) -> None:
    async def scenario() -> list[bytes]:
        server = Server(gateway_config(issuer, {}, linger=30))
        await server.start()
        waiting = []
        for _ in range(3):  # the kernel takes them, this thread cannot accept meanwhile
            made = socket.create_connection(("127.0.0.1", server.port))
            made.sendall(ASK)
            made.setblocking(False)
            waiting.append(made)
        stopping = asyncio.create_task(server.stop())
        heads = []
        for made in waiting:
            reader, writer = await asyncio.open_connection(sock=made)
            heads.append(await answer(reader))
            writer.close()
        await stopping
        return heads

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the loop of the gateway's process
        heads = runner.run(scenario())
    assert len(heads) == 3
    assert all(b"\r\nconnection: close\r\n" in head for head in heads)


@pytest.mark.rule("REL-77")
def test_a_list_of_addresses_is_a_service_with_its_replicas() -> None:
    assert target_of("materials:50051") == "materials:50051"
    assert target_of("dns:///materials:50051") == "dns:///materials:50051"
    assert target_of("127.0.0.1:1, 127.0.0.1:2") == "ipv4:127.0.0.1:1,127.0.0.1:2"
    assert target_of("[::1]:1,[::1]:2") == "ipv6:[::1]:1,[::1]:2"
    assert target_of("ipv4:127.0.0.1:1,127.0.0.1:2") == "ipv4:127.0.0.1:1,127.0.0.1:2"
    with pytest.raises(ValueError, match="materials"):
        target_of("materials:1,materials:2")

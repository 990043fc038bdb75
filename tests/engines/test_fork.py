"""Servers of another account are started from a process that is busy with gRPC."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PROGRAM = """
import asyncio, os, subprocess
import cli
import grpc


def start() -> int:
    who = {"user": os.getuid(), "group": os.getgid()}  # another account than None: fork, not vfork
    return subprocess.run(["/bin/sh", "-c", "exit 0"], start_new_session=True, **who).returncode


async def main() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")

    async def call() -> None:
        while True:
            try:
                await channel.unary_unary("/no/such")(b"x")
            except grpc.aio.AioRpcError:
                pass

    busy = [asyncio.create_task(call()) for _ in range(8)]
    ended = [await asyncio.to_thread(start) for _ in range(60)]
    for task in busy:
        task.cancel()
    await channel.close()
    await server.stop(0)
    print("crashed", sum(code != 0 for code in ended))


asyncio.run(main())
"""


def test_a_child_becomes_the_server_while_calls_are_under_way() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.strip() == "crashed 0", done.stdout + done.stderr

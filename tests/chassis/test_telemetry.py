"""Logs hide what is secret, by key and by form, and put user text into values alone (SEC-38, OPS-43)."""

import io
import json
import logging
from typing import Any

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.chassis import telemetry
from services.chassis.serve import Process

CANARY = "canary-7f3a"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Any:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    before, level = logging.root.handlers[:], logging.root.level
    telemetry.start("materials", "info", for_good=False)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    logging.root.handlers[:] = before
    logging.root.setLevel(level)


@pytest.mark.rule("SEC-38")
@pytest.mark.parametrize(
    "entry",
    [
        {"password": CANARY}, {"page_token": CANARY}, {"Authorization": CANARY}, {"api_key": CANARY}, {"dsn": CANARY},
        {"url": f"postgresql://app:{CANARY}@db/x"}, {"text": f"nats://plantops:{CANARY}@127.0.0.1:4222 is away"},
        {"header": f"Bearer {CANARY}.x.y"}, {"text": f"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0aaa.{CANARY}"},
        {"nested": {"password": CANARY}}, {"items": [{"secret": CANARY}, f"Bearer {CANARY}"]},
        {"bytes_url": f"postgresql://app:{CANARY}@db/x".encode()},
    ],
)  # fmt: skip
def test_a_secret_does_not_reach_the_log(lines: Any, entry: dict[str, Any]) -> None:
    structlog.get_logger("x").info("said", **entry)
    (line,) = lines()
    assert CANARY not in json.dumps(line)
    assert line["event"] == "said"


@pytest.mark.rule("SEC-38")
def test_a_secret_in_an_exception_or_a_librarys_line_is_hidden(lines: Any) -> None:
    try:
        raise OSError(f"cannot reach postgresql://app:{CANARY}@db/x")
    except OSError:
        structlog.get_logger("x").exception("failed")
    logging.getLogger("library").warning("postgresql://app:%s@db/x", CANARY)
    assert len(lines()) == 2
    assert CANARY not in json.dumps(lines())


@pytest.mark.rule("OPS-43")
async def test_the_text_of_a_database_error_shows_no_parameter(process: Process) -> None:
    async with process.sessions() as session:
        with pytest.raises(DBAPIError, match="division by zero") as caught:
            await session.execute(text("select 1 / (length(cast(:word as text)) * 0)"), {"word": CANARY})
    assert CANARY not in str(caught.value)


@pytest.mark.rule("OPS-43")
def test_a_line_is_one_json_object_whatever_a_user_wrote(lines: Any) -> None:
    structlog.get_logger("x").info("said", text='a\n{"event": "forged"}\r\n\x1b[31m')
    (line,) = lines()
    assert line["text"].startswith("a\n")
    assert (line["event"], line["service"], line["level"]) == ("said", "materials", "info")
    assert line["time"].endswith("Z")


def test_the_level_is_kept(lines: Any) -> None:
    structlog.get_logger("x").debug("quiet")
    logging.getLogger("library").info("quiet")
    assert lines() == []

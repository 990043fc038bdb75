"""Logs: one JSON object a line on stdout, secrets redacted by key and by pattern (OPS-43, SEC-38)."""

import asyncio
import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any, TextIO

import structlog

_SECRET_KEY = re.compile(r"(password|secret|token|authorization|api_?key|credential|dsn)$", re.IGNORECASE)
_PATTERNS = (  # what has to be there for a pattern to match, the pattern, what stands there instead
    ("://", re.compile(r"(\w+://[^:/@\s]+):[^@\s]+@"), r"\1:***@"),
    ("earer", re.compile(r"[Bb]earer\s+[\w.~+/-]+=*"), "Bearer ***"),
    ("eyJ", re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+"), "***"),
)


def redact(logger: object, name: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide values whose key or form says that they are secret, at every depth."""
    for key, value in entry.items():
        entry[key] = _hidden(key, value)
    return entry


@lru_cache(maxsize=1024)
def _secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _hidden(key: object, value: Any) -> Any:
    if isinstance(key, str) and _secret(key):
        return "***"
    if isinstance(value, Mapping):
        return {inner: _hidden(inner, item) for inner, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_hidden("", item) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else str(value)
    for mark, pattern, replacement in _PATTERNS:
        if mark in text:
            text = pattern.sub(replacement, text)
    return text


def start(process: str, level: str = "info", *, for_good: bool = True) -> None:
    """Configure structlog for a process, for its whole life; libraries' own log lines take the same form at warning."""
    number = getattr(logging, level.upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            _named(process),
            redact,
            structlog.processors.JSONRenderer(serializer=_text),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_Writer(sys.stdout),
        cache_logger_on_first_use=for_good,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=logging.WARNING, force=True)


_JSON = json.JSONEncoder(ensure_ascii=False, default=str)


def _text(entry: Any, **_: Any) -> str:
    return _JSON.encode(entry)


class _Writer:
    """Writes lines; what one turn of the event loop says without haste leaves the process in one write."""

    def __init__(self, file: TextIO) -> None:
        self._write = file.write
        self._file = file
        self._due = False

    def __call__(self, *names: object) -> "_Writer":
        return self

    def _soon(self, line: str) -> None:
        self._write(line + "\n")
        if self._due:
            return
        try:
            asyncio.get_running_loop().call_soon(self._flush)
            self._due = True
        except RuntimeError:
            self._flush()

    def _now(self, line: str) -> None:
        self._write(line + "\n")
        self._flush()

    def _flush(self) -> None:
        self._due = False
        self._file.flush()

    debug = info = _soon
    log = msg = warn = warning = err = error = critical = exception = fatal = failure = _now


def _named(process: str) -> Any:
    def add(logger: object, name: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        first = {"time": entry.pop("time", ""), "level": entry.pop("level", ""), "service": process}
        return {**first, "event": entry.pop("event", ""), **entry}

    return add


class _ToStructlog(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        write = structlog.get_logger(record.name)
        write.log(record.levelno, "library", text=record.getMessage(), exc_info=record.exc_info or None)

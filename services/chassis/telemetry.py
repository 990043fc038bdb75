"""Logs: one JSON object a line on stdout, secrets redacted by key and by pattern (OPS-43, SEC-38)."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_KEY = re.compile(r"(password|secret|token|authorization|api_?key|credential|dsn)$", re.IGNORECASE)
_PATTERNS = (
    (re.compile(r"(\w+://[^:/@\s]+):[^@\s]+@"), r"\1:***@"),
    (re.compile(r"[Bb]earer\s+[\w.~+/-]+=*"), "Bearer ***"),
    (re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+"), "***"),
)


def redact(logger: object, name: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide values whose key or form says that they are secret."""
    for key, value in entry.items():
        if _SECRET_KEY.search(key):
            entry[key] = "***"
        elif isinstance(value, str):
            for pattern, replacement in _PATTERNS:
                value = pattern.sub(replacement, value)
            entry[key] = value
    return entry


def start(process: str, level: str = "info") -> None:
    """Configure structlog for a process; libraries' own log lines take the same form at warning."""
    number = getattr(logging, level.upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _named(process),
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=logging.WARNING, force=True)


def _named(process: str) -> Any:
    def add(logger: object, name: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        entry.setdefault("process", process)
        return entry

    return add


class _ToStructlog(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        write = structlog.get_logger(record.name)
        write.log(record.levelno, "library", text=record.getMessage(), exc_info=record.exc_info or None)

"""Logs: one JSON or console line an event on stderr, with every secret that could slip in taken out.

Fields named like secrets are masked by name, and texts are searched for the shapes in which secrets travel: signatures,
bearer and basic credentials, and the `uri` of a binding. Nobody logs credentials; this is the net below.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

_MASK = "[redacted]"
_SECRET_NAME = re.compile(r"secret|password|token|authorization|credential|signature|private|cookie", re.IGNORECASE)
_SECRET_SHAPES = (
    re.compile(
        r"(?i)(x-amz-signature|x-amz-security-token|customer-key|signature|secret_access_key|password|token)(=|%3D)[^&\s\"',]+"
    ),
    re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"(?i)\b([a-z0-9+]+://[^\s:/@]+):[^\s@/]+@"),
)


_PERHAPS_SECRET = re.compile(r"=|%3|\s|://")  # without any of them none of the shapes fits


def redact(text: str) -> str:
    """`text` without what looks like a credential."""
    if not _PERHAPS_SECRET.search(text):
        return text
    text = _SECRET_SHAPES[0].sub(rf"\1\2{_MASK}", text)
    text = _SECRET_SHAPES[1].sub(rf"\1 {_MASK}", text)
    return _SECRET_SHAPES[2].sub(rf"\1:{_MASK}@", text)


def _redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if name not in ("event", "level", "timestamp") and _SECRET_NAME.search(name):
            event[name] = _MASK
        elif isinstance(value, str):
            event[name] = redact(value)
    return event


class _Patient(io.TextIOBase):
    """A stream whose reader may be gone (`bucketry serve 2>&1 | head`): a line is lost then, never a request."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def configure(level: str = "info", as_json: bool | None = None) -> None:
    """Send logs of this process, the libraries' among them, to stderr. `as_json` None: JSON unless on a terminal."""
    if as_json is None:
        as_json = not sys.stderr.isatty()
    number = logging.getLevelNamesMapping()[level.upper()]
    stream = cast(TextIO, _Patient(sys.stderr))
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def get(name: str) -> Any:
    """A logger whose lines carry `component=name`. Loggers hold no secrets and are made once a module."""
    return structlog.get_logger(component=name)

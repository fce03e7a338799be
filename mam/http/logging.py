"""Logs as events: one line each, with fields after the message, without secrets."""

from __future__ import annotations

import logging
import re
import sys
import time

from mam.http import request_id

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
AUDIT = "mam.audit"  # The lines of this logger are JSON.
# A JSON Web Token, the key of a share link, an API key.
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|(?:sh|mam)_[A-Za-z0-9_-]{32,}")
_SECRETS = re.compile(r"(X-Amz-(?:Signature|Credential|Security-Token)=|x-api-key[:=]\s*)[^&\s\"']+", re.IGNORECASE)


class EventFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.123Z INFO vod video is live video=a revision=b`"""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        if record.name == AUDIT:
            return _masked(record.getMessage())
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        head = f"{moment}.{int(record.msecs):03d}Z {record.levelname} {self._service} {record.getMessage()}"
        fields = {key: value for key, value in vars(record).items() if key not in _STANDARD and key[0] != "_"}
        if request_id.current():
            fields["request"] = request_id.current()
        line = " ".join([head, *(f"{key}={_quoted(value)}" for key, value in fields.items() if key != "data")])
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return _masked(line)


def _masked(line: str) -> str:
    return _SECRETS.sub(r"\1...", _TOKEN.sub(lambda found: f"{found[0][:3]}...", line))


def _quoted(value: object) -> str:
    text = str(value)
    return repr(text) if not text or any(c in text for c in " \n\r\t\"'=") else text


def setup_logging(level: str, *, service: str) -> None:
    """Sends all logs of this process to standard error, as events."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EventFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        # No access log: the metrics count requests. Without any handler uvicorn does not even write its lines.
        logging.getLogger(name).propagate = name != "uvicorn.access"
    for name in ("httpx", "httpcore"):
        # With a line for each request strangers could fill the log.
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its retries end in our own errors, or do not matter

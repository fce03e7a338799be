"""`python3 -m mam keys`: adds, lists and removes the keys of API_KEYS_FILE."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from mam.credentials.api_keys import KeyRecord, digest_of, new_key, read_records, written
from mam.credentials.arguments import SETTING
from mam.credentials.scopes import in_order

UNITS = {"h": "hours", "d": "days", "w": "weeks"}
LENGTH = re.compile(r"([1-9][0-9]{0,4})([hdw])")
MODE = 0o644  # The file has digests alone, and the services run under another user.


class _Configured(BaseSettings):
    """The only setting that the command needs."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True)

    api_keys_file: Path | None = None


def run(options: argparse.Namespace) -> str:
    """What the command prints. Raises ValueError in words, OSError."""
    path: Path | None = options.file or _Configured().api_keys_file
    if path is None:
        raise ValueError(f"{SETTING} is not set: name the file in .env, for both services, or with --file.")
    records = read_records(path.read_text("utf-8")) if path.exists() else []
    if options.action == "list":
        return "\n".join(map(_line, records)) or "There are no keys."
    kept = [record for record in records if record.id != options.id]
    if options.action == "remove":
        if len(kept) == len(records):
            raise ValueError(f"No key has the id {options.id!r}.")
        _write(path, written(kept))
        return f"Removed. Services that read {path} refuse the key {options.id!r} within seconds."
    if len(kept) < len(records):
        raise ValueError(f"There is a key {options.id!r} already: choose another id, or remove that one first.")
    key = new_key()
    text = written([*records, _record(options, key)])
    read_records(text)
    _write(path, text)
    return f"{key}\n\nThis is the only time that the key is shown: {path} has its digest alone."


def _record(options: argparse.Namespace, key: str) -> KeyRecord:
    try:
        return KeyRecord.model_validate(
            {
                "id": options.id,
                "sha256": digest_of(key),
                "scopes": _split(options.scopes),
                "prefixes": _split(options.prefixes) or None,
                "expires": _end(options.expires) if options.expires else None,
                "rate": options.rate,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = first["loc"][0] if first["loc"] else "key"
        raise ValueError(f"{place}: {first['msg'].removeprefix('Value error, ')}.") from error


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _end(text: str) -> datetime:
    """The moment after a length of time, such as 90d. Raises ValueError."""
    match = LENGTH.fullmatch(text)
    if not match:
        raise ValueError(f"expires: {text!r} must be a number of hours, days or weeks, such as 12h, 90d or 4w.")
    now = datetime.now(timezone.utc).replace(microsecond=0)
    return now + timedelta(**{UNITS[match[2]]: int(match[1])})


def _line(record: KeyRecord) -> str:
    parts = [record.id, ",".join(in_order(record.scopes)), "for " + (", ".join(record.prefixes or ()) or "all assets")]
    if record.expires:
        parts.append(f"until {record.expires.isoformat(timespec='minutes')}")
    if record.rate:
        parts.append(f"{record.rate} requests a minute")
    return "  ".join(parts)


def _write(path: Path, text: str) -> None:
    """Replaces the file at once: a service never reads half of it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(text)
    written_file = Path(file.name)
    written_file.chmod(MODE)
    written_file.replace(path)


def main(options: argparse.Namespace) -> int:
    """Runs the command; the exit status is 1 where it changed nothing because of a mistake."""
    try:
        print(run(options))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0

"""`python3 -m mam keys`: adds, lists and removes the keys of API_KEYS_FILE."""

from __future__ import annotations

import argparse
import re
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from mam.credentials.api_keys import KeyRecord, digest_of, new_key, read_records, written
from mam.credentials.scopes import Scope, in_order

SETTING = "API_KEYS_FILE"
UNITS = {"h": "hours", "d": "days", "w": "weeks"}
LENGTH = re.compile(r"([1-9][0-9]{0,4})([hdw])")
MODE = 0o644  # The file has digests alone, and the services run under another user.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command to its parser."""
    parser.add_argument("--file", type=Path, help=f"instead of {SETTING}")
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    adding = actions.add_parser("add", help="make a key, print it once, and write its digest into the file")
    adding.add_argument("id", help="its name in the audit trail, such as ci")
    adding.add_argument("--scopes", required=True, help=f"comma-separated: {', '.join(in_order(Scope))}")
    adding.add_argument("--prefixes", help="comma-separated: only for assets that begin so, such as myvideos/ci/")
    adding.add_argument("--expires", help="after this time, such as 12h, 90d or 4w; without it never")
    adding.add_argument("--rate", type=int, default=0, help="requests a minute; without it any number")
    actions.add_parser("list", help="the keys, without their text")
    removing = actions.add_parser("remove", help="remove a key; services refuse it within seconds")
    removing.add_argument("id")


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

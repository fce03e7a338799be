"""API keys as values: those of TRANSCODE_API_KEY, which may do everything, and those of API_KEYS_FILE."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from math import inf
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from mam.credentials.key_lists import listed_keys
from mam.credentials.scopes import EVERYTHING, Caller, Scope, in_order
from mam.errors import InvalidName
from mam.naming import check_prefix

MASTER = "master-"  # The ids of TRANSCODE_API_KEY's values begin with it.
SERVICE = "service"  # The id of the other service.
ID = r"[a-z0-9][a-z0-9-]{0,39}"
KEY_PREFIX = "mam_"  # Scanners for leaked secrets find keys by it.
KEY_BYTES = 32
MOST_KEYS = 1000
MOST_PREFIX_BYTES = 1000  # All prefixes of a key together: they are sent to the other service in a header.


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that is accepted, without its text. `digest`: SHA-256 in hex; `expires`: Unix seconds.

    `rate`: requests a minute; 0 for any number.
    """

    caller: Caller
    digest: str
    expires: float = inf
    rate: int = 0

    @property
    def id(self) -> str:
        return self.caller.key


Keys = Mapping[str, ApiKey]  # by digest


def _prefix(value: str) -> str:
    if "/" not in value:
        raise ValueError(f"{value!r} needs a bucket and a slash, such as myvideos/ or myvideos/courses/")
    try:
        check_prefix(value)
    except InvalidName as error:
        raise ValueError(f"{value!r}: {error.detail}") from None
    return value


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=timezone.utc)


class KeyRecord(BaseModel):
    """A key in API_KEYS_FILE."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=f"^{ID}$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    scopes: list[Scope] = Field(min_length=1)
    prefixes: list[Annotated[str, AfterValidator(_prefix)]] | None = Field(default=None, min_length=1)
    expires: Annotated[datetime, AfterValidator(_aware)] | None = None
    rate: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _own_id(self) -> KeyRecord:
        if self.id == SERVICE or self.id.startswith(MASTER):
            raise ValueError(f"the id {self.id!r} is one of the program's own")
        if len("".join(self.prefixes or ()).encode()) > MOST_PREFIX_BYTES:
            raise ValueError(f"its prefixes have more than {MOST_PREFIX_BYTES} bytes")
        return self

    @property
    def key(self) -> ApiKey:
        caller = Caller(self.id, frozenset(self.scopes), tuple(self.prefixes or EVERYTHING))
        return ApiKey(caller, self.sha256, self.expires.timestamp() if self.expires else inf, self.rate)

    def as_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {"id": self.id, "sha256": self.sha256, "scopes": in_order(self.scopes)}
        if self.prefixes:
            record["prefixes"] = self.prefixes
        if self.expires:
            record["expires"] = self.expires.isoformat(timespec="seconds").replace("+00:00", "Z")
        if self.rate:
            record["rate"] = self.rate
        return record


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def master_keys(texts: Iterable[str]) -> dict[str, ApiKey]:
    """The keys of TRANSCODE_API_KEY. Their ids name them without giving them away."""
    digests = [digest_of(text) for text in texts]
    return {digest: ApiKey(Caller(f"{MASTER}{digest[:6]}"), digest) for digest in digests}


def new_key() -> str:
    """A key of 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)


def read_records(text: str) -> list[KeyRecord]:
    """The keys of API_KEYS_FILE. Raises ValueError in words that say what is wrong."""
    records: list[KeyRecord] = []
    for at, each in enumerate(listed_keys(text, form="JSON of the form", most=MOST_KEYS)):
        try:
            record = KeyRecord.model_validate(each)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "it"
            raise ValueError(f"key {at + 1}: {place}: {first['msg'].removeprefix('Value error, ')}") from error
        if any(record.id == other.id or record.sha256 == other.sha256 for other in records):
            raise ValueError(f"key {at + 1}: another one has the same id, or is the same key")
        records.append(record)
    return records


def read_keys(text: str) -> dict[str, ApiKey]:
    """The keys of API_KEYS_FILE by digest. Raises ValueError as `read_records`."""
    return {record.sha256: record.key for record in read_records(text)}


def written(records: Iterable[KeyRecord]) -> str:
    """The text of API_KEYS_FILE."""
    return json.dumps({"keys": [record.as_json() for record in records]}, indent=2) + "\n"

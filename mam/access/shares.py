"""Share links as values: what a link is for, and the grant that it gives to viewers."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, isfinite

from pydantic import BaseModel, Field

from mam import stored
from mam.access.grants import Grant
from mam.hls.recipe import Profile

KEY_PREFIX = "sh_"  # The log leaves out what begins so, and is as long.
KEY_BYTES = 24
KEY = re.compile(rf"{KEY_PREFIX}[A-Za-z0-9_-]{{32}}")
ID_BYTES = 6
KEY_ID = "share"  # stands for the key that would have signed a token: a denial by `kid` can name all links


@dataclass(frozen=True, slots=True)
class Share:
    """A link to an asset or a folder. `id`: names it without opening it; `digest`: of the key that opens it.

    `subject`: `bucket/key`, or a prefix that ends in a slash; `expires`: Unix seconds, infinite until it is revoked.
    `start`: seconds from the beginning of the video. `makes`: the profiles by which its viewers may have assets
    converted. `created_by`: the id of the API key that made it.
    """

    id: str
    digest: str
    subject: str
    expires: float = inf
    start: int = 0
    download: bool = False
    makes: tuple[Profile, ...] = ()
    created: float = 0
    created_by: str = ""

    @property
    def grant(self) -> Grant:
        return Grant(
            subject=self.subject,
            expires=self.expires,
            begins=0,
            key_id=KEY_ID,
            token_id=self.id,
            makes=frozenset(self.makes),
            share=self.id,
            download=self.download,
        )


class _Record(BaseModel):
    """A share as the bucket has it."""

    id: str
    digest: str
    subject: str
    expires: stored.Moment | None = None
    start: int = Field(default=0, ge=0)
    download: bool = False
    makes: list[Profile] = []
    created: stored.Moment = 0
    created_by: str = ""


class _File(BaseModel):
    shares: list[_Record]


def is_key(text: str) -> bool:
    """Whether a text has the form of a link's key."""
    return KEY.fullmatch(text) is not None


def new_key() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)


def new_id() -> str:
    return secrets.token_hex(ID_BYTES)


def digest_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def read(raw: bytes) -> list[Share]:
    """The shares of the bucket's file. Raises ValueError where it cannot be read: no link must come or go by that."""
    file = stored.read(_File, raw)
    if file is None:
        raise ValueError("the file of share links cannot be read")
    return [
        Share(
            record.id, record.digest, record.subject, inf if record.expires is None else record.expires, record.start,
            record.download, tuple(record.makes), record.created, record.created_by,
        )
        for record in file.shares
    ]  # fmt: skip


def written(shares: Iterable[Share]) -> bytes:
    """The text of that file. It has digests alone: whoever reads the bucket cannot open a link."""
    records = [
        {
            "id": share.id, "digest": share.digest, "subject": share.subject,
            "expires": share.expires if isfinite(share.expires) else None, "start": share.start,
            "download": share.download, "makes": [profile.value for profile in share.makes],
            "created": share.created, "created_by": share.created_by,
        }
        for share in shares
    ]  # fmt: skip
    return json.dumps({"shares": records}).encode()

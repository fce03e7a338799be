"""The listing in Redis: one process lists, and the others read the listing at their start and when it has changed.

It is a base in compressed parts, followed by a list of later changes. A process that has read both remembers its
position and continues from there. A new base is written when much has changed.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any

import redis
from pydantic import Field

from mam import stored
from mam.events import channel
from mam.library.lua import CHANNEL
from mam.library.videos import Listed

BASE = "mam:library:listing"  # This key holds the base's name and number of parts; the parts are below it.
CHANGES = "mam:library:changes"
LISTED_AT = "mam:library:listed-at"
PART = 10_000  # A part holds this many objects: some 300 KB.
MOST_PARTS = 10_000  # A base has at most this many parts.
LEVEL = 1  # The zlib level: most of the data is sizes, times and versions, which no level makes smaller.
REPLACED_SECONDS = 60  # The parts of a replaced base are kept this long for processes that are reading them.

# Writes a base. KEYS: base, changes. ARGV: the number of changes in the base, the base, channel. 0: there are more.
_SWAP = """
if redis.call('LLEN', KEYS[2]) ~= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[3], '{"listing":true}')
return 1
"""
# Adds a change. KEYS: base, changes. ARGV: the change, channel. Without a base, the change itself is published.
_ADD = """
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RPUSH', KEYS[2], ARGV[1])
  redis.call('PUBLISH', ARGV[2], '{"listing":true}')
else
  redis.call('PUBLISH', ARGV[2], '{"change":' .. ARGV[1] .. '}')
end
"""
# Drops a base, unless another one has replaced it. KEYS: base, changes. ARGV: the base's name.
_DROP = """
local is_json, base = pcall(cjson.decode, redis.call('GET', KEYS[1]) or '')
if is_json and type(base) == 'table' and base.id == ARGV[1] then redis.call('DEL', KEYS[1], KEYS[2]) end
"""


_Columns: Any = tuple[
    list[str], list[str], list[int], list[int], list[int]
]  # the columns of a part, as `_packed` writes them


class Replaced(Exception):
    """The base disappeared while it was read: it was replaced, Redis was emptied, or a part is unreadable."""


@dataclass(frozen=True, slots=True)
class Position:
    """A base and the number of changes that were read after it; no base: nothing was read yet."""

    base: str = ""
    changes: int = 0


@dataclass(frozen=True, slots=True)
class Base:
    """The base's name and number of parts."""

    id: str
    parts: Annotated[int, Field(ge=0, le=MOST_PARTS)]


@dataclass(frozen=True, slots=True)
class Rows:
    """A change in JSON form."""

    put: list[tuple[str, str, int, int, int]]
    cut: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Change:
    """New and changed objects, and bucket and key of removed ones."""

    put: list[Listed]
    cut: list[tuple[str, str]]

    def __len__(self) -> int:
        return len(self.put) + len(self.cut)

    def to_json(self) -> str:
        rows = [[item.bucket, item.key, item.size, item.modified, item.mark] for item in self.put]
        return json.dumps({"put": rows, "cut": self.cut})

    @classmethod
    def of(cls, rows: Rows) -> Change:
        return cls([Listed(*row) for row in rows.put], rows.cut)

    @classmethod
    def parse(cls, text: bytes | str) -> Change | None:
        """Reads a change; None where it cannot be read."""
        rows = stored.read(Rows, text)
        return cls.of(rows) if rows else None


@dataclass(frozen=True, slots=True)
class News:
    """The unread part of the listing. `whole`: a new base. `listed_at`: Unix seconds of the listing; None: never."""

    position: Position
    whole: Iterator[Listed] | None
    changes: list[Change]
    listed_at: float | None


class Snapshot:
    """The listing in Redis. Blocking: call it from a thread. Raises RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._channel = channel(client, CHANNEL)
        self._swap = client.register_script(_SWAP)
        self._add = client.register_script(_ADD)
        self._drop = client.register_script(_DROP)

    def news(self, since: Position) -> News:
        """The part of the listing after `since`."""
        with self._client.pipeline(transaction=True) as pipe:
            pipe.get(BASE)
            pipe.lrange(CHANGES, 0, -1)
            pipe.get(LISTED_AT)
            base, raw, moment = pipe.execute()
        current = stored.read(Base, base)
        if current is None:
            return News(Position(), None, [], None)
        same = current.id == since.base
        changes = map(Change.parse, raw[since.changes if same else 0 :])
        return News(
            Position(current.id, len(raw)),
            None if same else self._whole(current.id, current.parts),
            [change for change in changes if change],
            stored.number(moment),
        )

    def drop(self, base: str) -> None:
        """Drops an incomplete base: the next listing writes another."""
        self._drop(keys=[BASE, CHANGES], args=[base])

    def write(self, listed: Iterable[Listed], position: Position) -> Position | None:
        """Writes a new base of a listing at `position`. None when there are newer changes."""
        name, previous = os.urandom(8).hex(), self._client.get(BASE)
        parts = 0
        for part in _divided(listed):
            self._client.set(_part(name, parts), _packed(part), ex=REPLACED_SECONDS)
            parts += 1
        base = json.dumps({"id": name, "parts": parts})
        is_written = bool(self._swap(keys=[BASE, CHANGES], args=[position.changes, base, self._channel]))
        with self._client.pipeline(transaction=False) as pipe:
            for number in range(parts if is_written else 0):
                pipe.persist(_part(name, number))
            if is_written and (old := stored.read(Base, previous)):
                for number in range(old.parts):
                    pipe.expire(_part(old.id, number), REPLACED_SECONDS)
            pipe.execute()
        return Position(name) if is_written else None

    def add(self, change: Change) -> None:
        """Publishes a change."""
        self._add(keys=[BASE, CHANGES], args=[change.to_json(), self._channel])

    def confirm(self, moment: float) -> None:
        """Records that the listing is that of the store at `moment`."""
        with self._client.pipeline(transaction=False) as pipe:
            pipe.set(LISTED_AT, moment)
            pipe.publish(self._channel, json.dumps({"listing": True}))
            pipe.execute()

    def _whole(self, name: str, parts: int) -> Iterator[Listed]:
        """The base, part by part. Raises Replaced when it disappears meanwhile."""
        for number in range(parts):
            data = self._client.get(_part(name, number))
            part = _unpacked(data) if isinstance(data, bytes) else None
            if part is None:
                raise Replaced
            yield from part


def _part(name: str, number: int) -> str:
    return f"{BASE}:{name}:{number}"


def _divided(listed: Iterable[Listed]) -> Iterator[list[Listed]]:
    remaining = iter(listed)
    while part := list(islice(remaining, PART)):
        yield part


def _packed(part: Sequence[Listed]) -> bytes:
    """A part compressed by columns, which puts similar values together."""
    columns = [
        [one.bucket for one in part],
        [one.key for one in part],
        [one.size for one in part],
        [one.modified for one in part],
        [one.mark for one in part],
    ]
    return zlib.compress(json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode(), LEVEL)


def _unpacked(data: bytes) -> Iterator[Listed] | None:
    """The objects of a part; None where it cannot be read."""
    try:
        columns = stored.read(_Columns, zlib.decompress(data))
    except zlib.error:
        return None
    return map(Listed, *columns) if columns and len({*map(len, columns)}) == 1 else None

"""The listing in Redis: one process lists, and the others take it from there, at their start or when it has changed.

A base in compressed parts, and behind it a list of the changes since. Who has read both knows its place in them, and
reads from there on. A base is written anew when much has changed.
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

BASE = "mam:library:listing"  # what the base is called, and in how many parts it is; the parts lie below it
CHANGES = "mam:library:changes"
LISTED_AT = "mam:library:listed-at"
PART = 10_000  # objects: some 300 KB
MOST_PARTS = 10_000
LEVEL = 1  # of zlib: what remains is mostly sizes, times and versions, which nothing makes smaller
REPLACED_SECONDS = 60  # that the parts of a replaced base are kept for those who are at reading them

# KEYS: base, changes. ARGV: how many changes the new base holds, the new base, channel. 0: there are more by now.
_SWAP = """
if redis.call('LLEN', KEYS[2]) ~= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', ARGV[3], '{"listing":true}')
return 1
"""
# KEYS: base, changes. ARGV: the change, channel. Without a base, subscribers are told of it all the same.
_ADD = """
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RPUSH', KEYS[2], ARGV[1])
  redis.call('PUBLISH', ARGV[2], '{"listing":true}')
else
  redis.call('PUBLISH', ARGV[2], '{"change":' .. ARGV[1] .. '}')
end
"""
# KEYS: base, changes. ARGV: the name of a base. It goes, unless another has taken its place.
_DROP = """
local is_json, base = pcall(cjson.decode, redis.call('GET', KEYS[1]) or '')
if is_json and type(base) == 'table' and base.id == ARGV[1] then redis.call('DEL', KEYS[1], KEYS[2]) end
"""


_Columns: Any = tuple[list[str], list[str], list[int], list[int], list[int]]  # what `_packed` packs


class Replaced(Exception):
    """The base that was being read is no more: there is another one, or Redis was wiped; or a part is unreadable."""


@dataclass(frozen=True, slots=True)
class Position:
    """A base and how many of the changes behind it; no base: nothing was read yet."""

    base: str = ""
    changes: int = 0


@dataclass(frozen=True, slots=True)
class Base:
    """The base's name, and in how many parts it is."""

    id: str
    parts: Annotated[int, Field(ge=0, le=MOST_PARTS)]


@dataclass(frozen=True, slots=True)
class Rows:
    """A change as JSON has it."""

    put: list[tuple[str, str, int, int, int]]
    cut: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Change:
    """Objects that came or changed, and bucket and key of those that went."""

    put: list[Listed]
    cut: list[tuple[str, str]]

    def __len__(self) -> int:
        return len(self.put) + len(self.cut)

    def to_json(self) -> str:
        rows = [[one.bucket, one.key, one.size, one.modified, one.mark] for one in self.put]
        return json.dumps({"put": rows, "cut": self.cut})

    @classmethod
    def of(cls, found: Rows) -> Change:
        return cls([Listed(*row) for row in found.put], found.cut)

    @classmethod
    def parse(cls, text: bytes | str) -> Change | None:
        """None where it cannot be read."""
        found = stored.read(Rows, text)
        return cls.of(found) if found else None


@dataclass(frozen=True, slots=True)
class News:
    """What was not read yet. `whole`: the base, where it is another one. `listed_at`: Unix seconds; None: never."""

    position: Position
    whole: Iterator[Listed] | None
    changes: list[Change]
    listed_at: float | None


class Snapshot:
    """Blocking: call it from a thread. Raises RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._channel = channel(client, CHANNEL)
        self._swap = client.register_script(_SWAP)
        self._add = client.register_script(_ADD)
        self._drop = client.register_script(_DROP)

    def news(self, since: Position) -> News:
        """What there is behind `since`."""
        with self._client.pipeline(transaction=True) as pipe:
            pipe.get(BASE)
            pipe.lrange(CHANGES, 0, -1)
            pipe.get(LISTED_AT)
            base, raw, moment = pipe.execute()
        found = stored.read(Base, base)
        if found is None:
            return News(Position(), None, [], None)
        same = found.id == since.base
        changes = map(Change.parse, raw[since.changes if same else 0 :])
        return News(
            Position(found.id, len(raw)),
            None if same else self._whole(found.id, found.parts),
            [change for change in changes if change],
            stored.number(moment),
        )

    def drop(self, base: str) -> None:
        """This base is not whole and cannot be read: the next listing writes another."""
        self._drop(keys=[BASE, CHANGES], args=[base])

    def write(self, listed: Iterable[Listed], position: Position) -> Position | None:
        """Makes a new base of what the caller holds, which is at `position`. None when there is something newer."""
        name, before = os.urandom(8).hex(), self._client.get(BASE)
        parts = 0
        for part in _divided(listed):
            self._client.set(_part(name, parts), _packed(part), ex=REPLACED_SECONDS)
            parts += 1
        base = json.dumps({"id": name, "parts": parts})
        written = bool(self._swap(keys=[BASE, CHANGES], args=[position.changes, base, self._channel]))
        with self._client.pipeline(transaction=False) as pipe:
            for number in range(parts if written else 0):
                pipe.persist(_part(name, number))
            if written and (old := stored.read(Base, before)):
                for number in range(old.parts):
                    pipe.expire(_part(old.id, number), REPLACED_SECONDS)
            pipe.execute()
        return Position(name) if written else None

    def add(self, change: Change) -> None:
        """Tells everyone of a change."""
        self._add(keys=[BASE, CHANGES], args=[change.to_json(), self._channel])

    def confirm(self, moment: float) -> None:
        """All is as the store had it at `moment`."""
        with self._client.pipeline(transaction=False) as pipe:
            pipe.set(LISTED_AT, moment)
            pipe.publish(self._channel, json.dumps({"listing": True}))
            pipe.execute()

    def _whole(self, name: str, parts: int) -> Iterator[Listed]:
        """The base, part by part. Raises Replaced when it is gone before all was read."""
        for number in range(parts):
            data = self._client.get(_part(name, number))
            part = _unpacked(data) if isinstance(data, bytes) else None
            if part is None:
                raise Replaced
            yield from part


def _part(name: str, number: int) -> str:
    return f"{BASE}:{name}:{number}"


def _divided(listed: Iterable[Listed]) -> Iterator[list[Listed]]:
    rest = iter(listed)
    while part := list(islice(rest, PART)):
        yield part


def _packed(part: Sequence[Listed]) -> bytes:
    """Column by column: what is alike stands together."""
    columns = [
        [one.bucket for one in part],
        [one.key for one in part],
        [one.size for one in part],
        [one.modified for one in part],
        [one.mark for one in part],
    ]
    return zlib.compress(json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode(), LEVEL)


def _unpacked(data: bytes) -> Iterator[Listed] | None:
    """None where it cannot be read."""
    try:
        columns = stored.read(_Columns, zlib.decompress(data))
    except zlib.error:
        return None
    return map(Listed, *columns) if columns and len({*map(len, columns)}) == 1 else None

"""What is known of uploads, in Redis: for a day at most, and nothing that the bucket depends on.

A record is a hash `mam:upload:<id>`; open ones are listed in a sorted set by the moment of their beginning. Beside them
lie the file that a client is sending (so that it finds its upload again) and the names that are taken.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from typing import Any

import redis.asyncio

from mam import stored

PREFIX = "mam:upload:"
FILE = "mam:upload-file:"
NAME = "mam:upload-name:"
OPEN = "mam:uploads"
UNJUDGED = "mam:uploads:unjudged"
SWEEPER = "mam:uploads:sweeper"
KEPT_SECONDS = 24 * 3600  # of what is complete; what is open is kept so long after it should have been swept
NAMING_SECONDS = 120  # a name is held so long while its upload begins


@dataclass(frozen=True, slots=True)
class Begun:
    """An upload as it was begun; nothing of this changes. `upload_id`: the store's. `created`: Unix seconds."""

    id: str
    bucket: str
    key: str
    folder: str
    size: int
    part_size: int
    fingerprint: str
    upload_id: str
    claim: str
    created: stored.Moment


@dataclass(frozen=True, slots=True)
class Arrived:
    """The object that an upload became."""

    size: int
    version: str
    etag: str | None
    modified: stored.Moment


@dataclass(frozen=True, slots=True)
class Record:
    """`touched`: when its client last showed itself. `expected`: the ETag to come, once its completion was begun."""

    begun: Begun
    touched: float
    expected: str | None = None
    arrived: Arrived | None = None
    verdict: dict[str, Any] | None = None


# KEYS: record, file, open, name. ARGV: id, begun, now, seconds to keep, the records' prefix.
# The id of the file's upload: this one, or the one that another process has begun meanwhile.
_ADD = """
local other = redis.call('GET', KEYS[2])
if other and redis.call('EXISTS', ARGV[5] .. other) == 1 then return other end
redis.call('HSET', KEYS[1], 'begun', ARGV[2], 'touched', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[4])
redis.call('SET', KEYS[4], ARGV[1], 'EX', ARGV[4])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
return ARGV[1]
"""

# KEYS: record, file, name. ARGV: seconds to keep, then fields and values. Nothing comes back to life by it.
_CHANGE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[1]) end
return 1
"""

# KEYS: record, file, open, name, unjudged. ARGV: id, seconds to keep, then fields and values; without these it is
# forgotten. Another upload of the same file or name keeps what is its own.
_END = """
redis.call('ZREM', KEYS[3], ARGV[1])
for _, key in ipairs({KEYS[2], KEYS[4]}) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
if #ARGV == 2 then
  redis.call('SREM', KEYS[5], ARGV[1])
  return redis.call('DEL', KEYS[1])
end
if redis.call('HEXISTS', KEYS[1], 'arrived') == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SADD', KEYS[5], ARGV[1])
return 1
"""

_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Records:
    """All of it raises RedisError. `seconds`: how long an open upload may be silent."""

    def __init__(self, client: redis.asyncio.Redis, *, seconds: float) -> None:
        self._client = client
        self._open_seconds = int(seconds) + KEPT_SECONDS
        self._add = client.register_script(_ADD)
        self._change = client.register_script(_CHANGE)
        self._end = client.register_script(_END)
        self._release = client.register_script(_RELEASE)

    async def get(self, upload: str) -> Record | None:
        row: Any = await self._client.hgetall(PREFIX + upload)
        return _read(row)

    async def of_file(self, folder: str, fingerprint: str, size: int) -> Record | None:
        """The open upload of a file into a folder."""
        found = stored.text(await self._client.get(_file(folder, fingerprint, size)))
        record = await self.get(found) if found else None
        return record if record and not record.arrived else None

    async def open(self, limit: int = -1) -> list[Record]:
        """Those that are not complete, newest first."""
        ids: Any = await self._client.zrevrange(OPEN, 0, limit - 1 if limit > 0 else -1)
        return await self._all(ids)

    async def unjudged(self) -> list[Record]:
        ids: Any = await self._client.smembers(UNJUDGED)
        return await self._all(list(ids))

    async def hold(self, name: str, upload: str) -> bool:
        """Takes a name for an upload that is about to begin; False when another has it."""
        return bool(await self._client.set(NAME + name, upload, nx=True, ex=NAMING_SECONDS))

    async def release(self, name: str, upload: str) -> None:
        await self._release(keys=[NAME + name], args=[upload])

    async def add(self, begun: Begun) -> str:
        """Keeps an upload; the id of the file's upload, which is another's when that was quicker."""
        keys = [PREFIX + begun.id, _file_of(begun), OPEN, NAME + begun.claim]
        values: list[str | float] = [begun.id, json.dumps(asdict(begun)), time.time(), self._open_seconds, PREFIX]
        return str((await self._add(keys=keys, args=values)).decode())

    async def touch(self, begun: Begun) -> None:
        """Its client has shown itself."""
        await self._set(begun, self._open_seconds, touched=time.time())

    async def completing(self, begun: Begun, expected: str | None) -> None:
        """The store is about to make it an object of this ETag."""
        await self._set(begun, self._open_seconds, touched=time.time(), expected=expected or "")

    async def complete(self, begun: Begun, arrived: Arrived) -> bool:
        """It has become an object. False when that was known."""
        fields: list[str | float] = [
            "begun",
            json.dumps(asdict(begun)),
            "touched",
            time.time(),
            "arrived",
            json.dumps(asdict(arrived)),
        ]
        return bool(await self._end(keys=_keys(begun), args=[begun.id, KEPT_SECONDS, *fields]))

    async def judge(self, begun: Begun, verdict: dict[str, Any]) -> None:
        await self._set(begun, KEPT_SECONDS, verdict=json.dumps(verdict))
        await self.no_verdict(begun.id)

    async def no_verdict(self, upload: str) -> None:
        await self._client.srem(UNJUDGED, upload)

    async def forget(self, begun: Begun) -> None:
        await self._end(keys=_keys(begun), args=[begun.id, 0])

    async def is_sweeper(self, seconds: float) -> bool:
        """Whether this process is to look after all uploads now: one of them, once in so many seconds."""
        return bool(await self._client.set(SWEEPER, "1", nx=True, px=max(1, int(seconds * 1000))))

    async def _set(self, begun: Begun, seconds: int, **fields: Any) -> None:
        keys = [PREFIX + begun.id, _file_of(begun), NAME + begun.claim]
        # What is complete has given its file and its name back: another's are not to be prolonged.
        await self._change(
            keys=keys if "touched" in fields else keys[:1],
            args=[seconds, *(x for item in fields.items() for x in item)],
        )

    async def _all(self, ids: list[bytes]) -> list[Record]:
        async with self._client.pipeline(transaction=False) as pipe:
            for upload in ids:
                pipe.hgetall(PREFIX.encode() + upload)
            rows = stored.answers(await pipe.execute(raise_on_error=False))
        if gone := [upload for upload, row in zip(ids, rows, strict=True) if row == {}]:
            await self._client.zrem(OPEN, *gone)
            await self._client.srem(UNJUDGED, *gone)
        return [record for row in rows if (record := _read(row))]


def _keys(begun: Begun) -> list[str]:
    return [PREFIX + begun.id, _file_of(begun), OPEN, NAME + begun.claim, UNJUDGED]


def _file_of(begun: Begun) -> str:
    return _file(begun.folder, begun.fingerprint, begun.size)


def _file(folder: str, fingerprint: str, size: int) -> str:
    return FILE + hashlib.sha256(json.dumps([folder, fingerprint, size]).encode()).hexdigest()[:32]


def _read(row: Any) -> Record | None:
    """None for nothing, and for what another version of this program may have left there."""
    fields = stored.mapping(row)
    begun, touched = stored.read(Begun, fields.get("begun")), stored.number(fields.get("touched"))
    if begun is None or touched is None:
        return None
    return Record(
        begun,
        touched,
        fields.get("expected"),
        stored.read(Arrived, fields.get("arrived")),
        stored.read(dict[str, Any], fields.get("verdict")),
    )

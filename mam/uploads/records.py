"""The records of uploads in Redis, kept for a day at most; the bucket does not depend on them.

A record is a hash `mam:upload:<id>`; a sorted set holds the open uploads by their start. Other keys map a client's file
to its upload (so that the client finds it again), and hold taken names.
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
KEPT_SECONDS = 24 * 3600  # A complete upload is kept this long; an open one this long after it became stale.
NAMING_SECONDS = 120  # A name is held this long while its upload starts.


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to upload. `fingerprint`: the client's own id of it; `type`: a content type or ''."""

    name: str
    size: int
    folder: str
    type: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class UploadSpec:
    """The constant facts of an upload. `upload_id`: the store's. `created`: Unix seconds."""

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

    @property
    def source(self) -> str:
        """The object that the upload becomes, `bucket/key`."""
        return f"{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """The object that a complete upload became."""

    size: int
    version: str
    etag: str | None
    modified: stored.Moment


@dataclass(frozen=True, slots=True)
class Record:
    """An upload's record. `touched`: its client's last request. `expected`: the object's ETag, once completing."""

    spec: UploadSpec
    touched: float
    expected: str | None = None
    stored: StoredObject | None = None
    verdict: dict[str, Any] | None = None


# KEYS: record, file, open, name. ARGV: id, begun, now, seconds to keep, the records' prefix.
# Returns the id of the file's upload: this one, or one that another process has started meanwhile.
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

# Changes an existing record. KEYS: record, file, name. ARGV: seconds to keep, then fields and values.
_CHANGE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[1]) end
return 1
"""

# KEYS: record, file, open, name, unjudged. ARGV: id, seconds to keep, then fields and values; without these the record
# is removed. Another upload of the same file or name keeps its own keys.
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
    """The records. All methods raise RedisError. `seconds`: how long an open upload may be silent."""

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
        upload = stored.text(await self._client.get(_file(folder, fingerprint, size)))
        record = await self.get(upload) if upload else None
        return record if record and not record.stored else None

    async def open(self, limit: int = -1) -> list[Record]:
        """The open uploads, newest first."""
        ids: Any = await self._client.zrevrange(OPEN, 0, limit - 1 if limit > 0 else -1)
        return await self._all(ids)

    async def unjudged(self) -> list[Record]:
        ids: Any = await self._client.smembers(UNJUDGED)
        return await self._all(list(ids))

    async def hold(self, name: str, upload: str) -> bool:
        """Holds a name for an upload that is about to start; False when another upload has it."""
        return bool(await self._client.set(NAME + name, upload, nx=True, ex=NAMING_SECONDS))

    async def release(self, name: str, upload: str) -> None:
        await self._release(keys=[NAME + name], args=[upload])

    async def add(self, spec: UploadSpec) -> str:
        """Adds an upload. Returns the id of the file's upload: another one where that was quicker."""
        keys = [PREFIX + spec.id, _file_of(spec), OPEN, NAME + spec.claim]
        values: list[str | float] = [spec.id, json.dumps(asdict(spec)), time.time(), self._open_seconds, PREFIX]
        return str((await self._add(keys=keys, args=values)).decode())

    async def touch(self, spec: UploadSpec) -> None:
        """Records a request of the upload's client."""
        await self._set(spec, self._open_seconds, touched=time.time())

    async def completing(self, spec: UploadSpec, expected: str | None) -> None:
        """Records that the store is about to make an object of this ETag."""
        await self._set(spec, self._open_seconds, touched=time.time(), expected=expected or "")

    async def complete(self, spec: UploadSpec, stored_object: StoredObject) -> bool:
        """Records the object that the upload became. False when that was recorded before."""
        fields: list[str | float] = [
            "begun",
            json.dumps(asdict(spec)),
            "touched",
            time.time(),
            "arrived",
            json.dumps(asdict(stored_object)),
        ]
        return bool(await self._end(keys=_keys(spec), args=[spec.id, KEPT_SECONDS, *fields]))

    async def judge(self, spec: UploadSpec, verdict: dict[str, Any]) -> None:
        await self._set(spec, KEPT_SECONDS, verdict=json.dumps(verdict))
        await self.no_verdict(spec.id)

    async def no_verdict(self, upload: str) -> None:
        await self._client.srem(UNJUDGED, upload)

    async def forget(self, spec: UploadSpec) -> None:
        await self._end(keys=_keys(spec), args=[spec.id, 0])

    async def is_sweeper(self, seconds: float) -> bool:
        """Whether this process sweeps now: one process does, once in `seconds`."""
        return bool(await self._client.set(SWEEPER, "1", nx=True, px=max(1, int(seconds * 1000))))

    async def _set(self, spec: UploadSpec, seconds: int, **fields: Any) -> None:
        keys = [PREFIX + spec.id, _file_of(spec), NAME + spec.claim]
        # A complete upload has released its file and name: another upload's must not be prolonged.
        await self._change(
            keys=keys if "touched" in fields else keys[:1],
            args=[seconds, *(value for pair in fields.items() for value in pair)],
        )

    async def _all(self, ids: list[bytes]) -> list[Record]:
        async with self._client.pipeline(transaction=False) as pipe:
            for upload in ids:
                pipe.hgetall(PREFIX.encode() + upload)
            rows = stored.answers(await pipe.execute(raise_on_error=False))
        if expired := [upload for upload, row in zip(ids, rows, strict=True) if row == {}]:
            await self._client.zrem(OPEN, *expired)
            await self._client.srem(UNJUDGED, *expired)
        return [record for row in rows if (record := _read(row))]


def _keys(spec: UploadSpec) -> list[str]:
    return [PREFIX + spec.id, _file_of(spec), OPEN, NAME + spec.claim, UNJUDGED]


def _file_of(spec: UploadSpec) -> str:
    return _file(spec.folder, spec.fingerprint, spec.size)


def _file(folder: str, fingerprint: str, size: int) -> str:
    return FILE + hashlib.sha256(json.dumps([folder, fingerprint, size]).encode()).hexdigest()[:32]


def _read(row: Any) -> Record | None:
    """Reads a record; None for none, and for the format of another version."""
    fields = stored.mapping(row)
    spec, touched = stored.read(UploadSpec, fields.get("begun")), stored.number(fields.get("touched"))
    if spec is None or touched is None:
        return None
    return Record(
        spec,
        touched,
        fields.get("expected"),
        stored.read(StoredObject, fields.get("arrived")),
        stored.read(dict[str, Any], fields.get("verdict")),
    )

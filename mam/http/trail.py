"""The audit trail of all processes, in Redis: the last changes, and apart from them the last refusals."""

from __future__ import annotations

from contextlib import suppress

import redis.asyncio
from cachetools import TTLCache
from pydantic import BaseModel, Field
from redis.exceptions import RedisError

from mam import stored
from mam.background import Errands

CHANGES, REFUSALS = "mam:audit:changes", "mam:audit:refusals"
NOTED_A_MINUTE = 20  # So many refusals of one address are recorded in a minute: strangers must not fill the log.
ADDRESSES = 10_000  # The refusals of so many addresses are counted.
KEPT = 5000  # So many of each are kept: strangers, who can only be refused, push no change out of the trail.
DONE = "done"


class Entry(BaseModel):
    """What a client did, or was refused. Empty fields are not known."""

    time: float = Field(description="Unix seconds.")
    action: str = Field(examples=["cancel job"])
    object: str = Field(default="", examples=["myvideos/film.mp4"])
    outcome: str = Field(examples=[DONE, "forbidden"], description="`done`, or the code of the error.")
    key: str = Field(default="", examples=["ci"], description="The id of the API key, also of a session's.")
    session: str = Field(default="", examples=["9f86d081"], description="Names a session without giving access to it.")
    address: str = Field(default="", examples=["203.0.113.7"])
    request_id: str = Field(default="", examples=["9f86d081884c7d65"])

    @property
    def is_refusal(self) -> bool:
        return self.outcome != DONE


class Trail:
    """Adds entries without making a request wait. While Redis is away, they are in the log alone. `stop` it."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._errands = Errands("audit trail")
        self._refusals: TTLCache[str, int] = TTLCache(ADDRESSES, 60)

    def takes(self, entry: Entry) -> bool:
        """Whether an entry is recorded: of the refusals of clients without a right key, the first of each minute."""
        if not entry.is_refusal or entry.key:
            return True
        number = self._refusals.get(entry.address, 0)
        if number < NOTED_A_MINUTE:
            self._refusals[entry.address] = number + 1
        return number < NOTED_A_MINUTE

    def add(self, entry: Entry) -> None:
        self._errands.send(self._add(entry))

    async def newest(self, limit: int, *, before: float | None = None) -> list[Entry]:
        """The newest entries, of those before a moment where one is given. Raises RedisError."""
        async with self._client.pipeline(transaction=False) as pipe:
            for name in (CHANGES, REFUSALS):
                pipe.lrange(name, 0, -1)
            lists = stored.answers(await pipe.execute(raise_on_error=False))
        entries = [entry for rows in lists for row in rows or () if (entry := stored.read(Entry, row))]
        if before is not None:
            entries = [entry for entry in entries if entry.time < before]
        return sorted(entries, key=lambda entry: -entry.time)[:limit]

    async def stop(self) -> None:
        await self._errands.stop(cancel=False)

    async def _add(self, entry: Entry) -> None:
        name = REFUSALS if entry.is_refusal else CHANGES
        with suppress(RedisError):
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.lpush(name, entry.model_dump_json(exclude_defaults=True))
                pipe.ltrim(name, 0, KEPT - 1)
                await pipe.execute()

"""Orders: what a task is told of a job, so that it needs nothing else."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from mam import stored
from mam.errors import InvalidPlan
from mam.hls.plan import Sidecar, Source
from mam.hls.recipe import Recipe
from mam.naming import Asset


@dataclass(frozen=True, slots=True)
class Order:
    """Everything a task needs to know about a job, so that it needs nothing else. JSON-able.

    `epoch`: whose order this is; what an earlier leader's tasks report is refused.
    """

    job: str
    epoch: int
    video: str
    bucket: str
    key: str
    version: str
    etag: str | None
    size: int
    recipe: Recipe
    sidecars: tuple[dict[str, Any], ...] = ()  # subtitles beside the asset
    viewer: bool = False  # a viewer waits for its first segment
    keyed_at: float = 0  # seconds since 1970 at which a key asked for it; 0: viewers alone did
    callback: str = ""  # a URL that is told how it goes

    @property
    def asset(self) -> Asset:
        return Asset(self.bucket, self.key)

    @property
    def source(self) -> Source:
        return Source(
            bucket=self.bucket, key=self.key, version=self.version, etag=self.etag, size=self.size,
            sidecars=tuple(Sidecar(**sidecar) for sidecar in self.sidecars),
        )  # fmt: skip

    def to_dict(self) -> dict[str, object]:
        """Flat: the fields of the recipe stand beside the others."""
        found = asdict(self) | self.recipe.to_dict()
        del found["recipe"]
        return found

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    @classmethod
    def of(cls, found: dict[str, Any]) -> Order:
        """From what `to_dict` made, here or in another version: what this one does not know is left out.

        Raises InvalidPlan for anything else.
        """
        order = stored.read(cls, json.dumps({**found, "recipe": found})) if isinstance(found, dict) else None
        if order is None:
            raise InvalidPlan("An order cannot be read.", hint="Another version of the program may have written it.")
        return order

    @classmethod
    def from_json(cls, text: str | bytes) -> Order:
        """The same from what `to_json` made."""
        return cls.of(stored.read_json(text))


@dataclass(frozen=True, slots=True)
class Conversion:
    """What came of asking: the job, its video, and whether that is live already. `order` is set for the leader.

    `standing`: of what is live, by which more can be made of it.
    """

    job: str
    video: str
    live: bool
    order: Order | None = None
    standing: Order | None = None

"""Orders: everything that a task needs to know about a job."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from mam import stored
from mam.errors import InvalidPlan
from mam.hls.plan import Sidecar, Source
from mam.hls.recipe import Recipe
from mam.naming import Asset, revision_and_group


@dataclass(frozen=True, slots=True)
class Order:
    """Everything that a task needs to know about a job. It can be written as JSON.

    `epoch`: the leader that issued the order; reports of an earlier leader's tasks are refused.
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
    keyed_at: float = 0  # Unix seconds of the last request with an API key; 0 where only viewers asked
    callback: str = ""  # a webhook URL for the job
    request: str = ""  # the id of the HTTP request that began it

    @property
    def revision(self) -> str:
        return revision_and_group(self.job)[0]

    @property
    def group(self) -> str:
        """The group of renditions that the job makes: '' for the base."""
        return revision_and_group(self.job)[1]

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
        """A flat mapping: the recipe's fields are on the same level as the others."""
        fields = asdict(self) | self.recipe.to_dict()
        del fields["recipe"]
        return fields

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Order:
        """Reads what `to_dict` wrote in this or another version; unknown fields are left out.

        Raises InvalidPlan for anything else.
        """
        order = stored.read(cls, json.dumps({**fields, "recipe": fields})) if isinstance(fields, dict) else None
        if order is None:
            raise InvalidPlan("An order cannot be read.", hint="Another version of the program may have written it.")
        return order

    @classmethod
    def from_json(cls, text: str | bytes) -> Order:
        """Reads what `to_json` wrote. Raises InvalidPlan."""
        return cls.of(stored.read_json(text))


@dataclass(frozen=True, slots=True)
class Conversion:
    """The answer to a conversion request: the job, its video, and whether that is live. `order` is set for the leader.

    `live_order`: the order of a live video, for making its missing pictures.
    """

    job: str
    video: str
    live: bool
    order: Order | None = None
    live_order: Order | None = None

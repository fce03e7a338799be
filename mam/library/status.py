"""The status of an asset: one field of the hash in Redis, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mam import stored
from mam.errors import Failure
from mam.naming import Asset

NEW, MAKING, LIVE, FAILED = STATES = ("new", "making", "live", "failed")
FOREIGN = "foreign"  # This stands for the revision of a tree that another tool put into the VoD bucket.


@dataclass(frozen=True, slots=True)
class AssetStatus:
    """`live`: the live revision, or FOREIGN. `job`: the active or last failed job, by `stage`.

    `version`: the source's version for that job. `duration`: seconds. `poster`, `storyboard`: the revisions that have
    them. `notes`: tolerated faults of the source, in sentences. `rungs`: of a live ladder, how many of its pictures are
    made, and how many there are. A scan that found nothing leaves all fields empty.
    """

    video: str = ""
    live: str = ""
    job: str = ""
    stage: str = ""
    version: str = ""
    duration: float | None = None
    is_playable: bool = False
    poster: str = ""
    storyboard: str = ""
    error: Failure | None = None
    notes: tuple[str, ...] = ()
    rungs: tuple[int, int] | None = None

    @property
    def state(self) -> str:
        """The state to show: a live video stays live while it is converted again, also when that fails."""
        return LIVE if self.live else self.stage or NEW

    @property
    def revision(self) -> str:
        """The active or failed job, else the live revision."""
        return self.job or ("" if self.live == FOREIGN else self.live)

    def fields(self) -> dict[str, Any]:
        """The fields in Redis of a status from a scan of the bucket."""
        if self.live:
            fields = {"live": self.live, "video": self.video, "duration": self.duration, "poster": self.poster,
                     "storyboard": self.storyboard, "notes": self.notes, "rungs": self.rungs}  # fmt: skip
        elif self.stage:
            fields = {"state": self.stage, "job": self.job, "video": self.video, "version": self.version,
                     "duration": self.duration}  # fmt: skip
        else:
            fields = {"gone": True}
        return {name: value for name, value in fields.items() if value not in ("", None, ())}

    @classmethod
    def parse(cls, text: str | bytes) -> AssetStatus | None:
        """Reads a field of the hash; None where it cannot be read."""
        record = stored.read(_Stored, text)
        if record is None or record.state not in ("", *STATES):
            return None
        live = record.live
        ahead = record.ahead if isinstance(record.ahead, dict) else {}
        return cls(
            video=record.video,
            live=live,
            job=record.job,
            stage=record.state,
            version=record.version,
            duration=record.duration,
            is_playable=bool(live or record.playable),
            poster=record.poster if live else record.job if "poster" in ahead else "",
            storyboard=record.storyboard if live else record.job if "storyboard" in ahead else "",
            error=record.error,
            notes=tuple(record.notes) if isinstance(record.notes, list) else (),
            rungs=record.rungs if live else None,
        )


@dataclass(frozen=True, slots=True)
class _Stored:
    """A field of the hash, as lua.py writes it. Lua knows no empty list: {} and [] are the same."""

    video: str = ""
    live: str = ""
    job: str = ""
    state: str = ""
    version: str = ""
    duration: stored.Moment | None = None
    playable: bool = False
    poster: str = ""
    storyboard: str = ""
    ahead: dict[str, bool] | list[bool] | None = None
    error: Failure | None = None
    notes: list[str] | dict[str, str] | None = None
    rungs: tuple[int, int] | None = None


def field_of(asset: Asset) -> str:
    """The asset's field in the hash."""
    return str(asset)


def foreign_field(video: str) -> str:
    """The field of a tree of another tool, which belongs to all assets of its name. No bucket has an empty name."""
    return f"/{video}"

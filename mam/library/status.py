"""What is known of an asset beyond its bucket's listing: one field of the hash in Redis, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mam import stored
from mam.errors import Failure
from mam.naming import Asset

NEW, MAKING, LIVE, FAILED = STATES = ("new", "making", "live", "failed")
FOREIGN = "foreign"  # in place of a revision: a tree that another tool left in the VoD bucket


@dataclass(frozen=True, slots=True)
class AssetStatus:
    """`live`: the revision that plays, or FOREIGN. `job`: what is being made, or failed last, as `stage` says.

    `version`: of the source, as that job found it. `duration`: seconds. `poster`, `storyboard`: the revisions that have
    them. `notes`: what was wrong with the source and passed over, in sentences.
    All empty: looked for, and nothing found.
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

    @property
    def state(self) -> str:
        """What is live stays so while it is made anew, and when that fails."""
        return LIVE if self.live else self.stage or NEW

    @property
    def revision(self) -> str:
        """The job that is under way or has failed, else the one that is live."""
        return self.job or ("" if self.live == FOREIGN else self.live)

    def fields(self) -> dict[str, Any]:
        """What Redis is given of one that was found in the bucket."""
        if self.live:
            found = {"live": self.live, "video": self.video, "duration": self.duration, "poster": self.poster,
                     "storyboard": self.storyboard, "notes": self.notes}  # fmt: skip
        elif self.stage:
            found = {"state": self.stage, "job": self.job, "video": self.video, "version": self.version,
                     "duration": self.duration}  # fmt: skip
        else:
            found = {"gone": True}
        return {name: value for name, value in found.items() if value not in ("", None, ())}

    @classmethod
    def parse(cls, text: str | bytes) -> AssetStatus | None:
        """From what Redis holds; None where that cannot be read."""
        found = stored.read(_Stored, text)
        if found is None or found.state not in ("", *STATES):
            return None
        live = found.live
        ahead = found.ahead if isinstance(found.ahead, dict) else {}
        return cls(
            video=found.video,
            live=live,
            job=found.job,
            stage=found.state,
            version=found.version,
            duration=found.duration,
            is_playable=bool(live or found.playable),
            poster=found.poster if live else found.job if "poster" in ahead else "",
            storyboard=found.storyboard if live else found.job if "storyboard" in ahead else "",
            error=found.error,
            notes=tuple(found.notes) if isinstance(found.notes, list) else (),
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


def field_of(asset: Asset) -> str:
    """The asset's field in the hash."""
    return str(asset)


def foreign_field(video: str) -> str:
    """The field of a tree of another tool, which is every asset's of that name. No bucket has an empty name."""
    return f"/{video}"

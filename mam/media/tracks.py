"""A usable track of a source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mam.mp4.entries import Dovi
from mam.mp4.track_headers import TrackHeader

NO_TITLE = re.compile(r"handler|^(stereo|mono|video|audio|subtitles?|text|isomedia)$|@|^GPAC", re.IGNORECASE)
DEFAULT = 0x0001  # AV_DISPOSITION_DEFAULT


@dataclass(frozen=True, slots=True)
class MediaTrack:
    """A usable track. `template` carries its codec parameters for muxers."""

    header: TrackHeader
    template: Any  # av.VideoStream or av.AudioStream; for text tracks any stream type of libavformat
    codec: str
    language: str = ""  # RFC 5646; '' when the file does not say
    dolby_vision: Dovi | None = None
    entry: bytes = b""  # the whole sample entry

    @property
    def number(self) -> int:
        return self.header.number

    @property
    def is_video(self) -> bool:
        return self.header.kind == "vide"

    @property
    def title(self) -> str:
        """The track's title in the file; '' for a muxer's default title."""
        names = (str(self.template.metadata.get(key, "")).strip() for key in ("title", "name", "handler_name"))
        return next((name for name in names if name and not NO_TITLE.search(name)), "")

    @property
    def is_default(self) -> bool:
        return bool(int(self.template.disposition) & DEFAULT)

    @property
    def configuration(self) -> bytes:
        """The codec's configuration record (avcC, AudioSpecificConfig, ...)."""
        return bytes(self.template.codec_context.extradata or b"")

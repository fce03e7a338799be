"""Detects media that cannot be read here: encrypted, or in another file."""

from __future__ import annotations

from mam.errors import EncryptedMedia, ExternalMedia
from mam.mp4.boxes import Box, boxes, leaves
from mam.mp4.tables import unpack
from mam.mp4.track_headers import payload_of

SELF_CONTAINED = 1  # This flag of a dref entry means that the media is in this file.
_ENCRYPTED = (b"encv", b"enca", b"encs", b"enct", b"drmi", b"drms")


def check_protection(moov: bytes) -> None:
    """Raises EncryptedMedia when the file has a `pssh` box."""
    if any(box.kind == b"pssh" for box in boxes(moov, payload_of(moov), len(moov))):
        raise EncryptedMedia("The file is protected by DRM (it has a pssh box).")


def check_track_encryption(moov: bytes, trak: Box) -> None:
    """Raises EncryptedMedia when a track's sample entry marks its samples as encrypted."""
    stsd = leaves(moov, trak.payload, trak.end).get(b"stsd")
    payload = moov[stsd.payload : stsd.end] if stsd else b""
    # `sinf` follows the sample entry's own fields, whose length depends on the codec: the box is searched.
    if payload[12:16] in _ENCRYPTED or (b"sinf" in payload and b"schm" in payload):
        raise EncryptedMedia("The file's samples are encrypted.")


def check_references(moov: bytes, trak: Box) -> None:
    """Raises ExternalMedia when a track's media is in another file (`dref`, ISO/IEC 14496-12 section 8.7.2)."""
    dinf = leaves(moov, trak.payload, trak.end).get(b"dinf")
    dref = {box.kind: box for box in boxes(moov, dinf.payload, dinf.end)}.get(b"dref") if dinf else None
    for entry in boxes(moov, dref.payload + 8, dref.end) if dref else ():
        (flags,) = unpack(">I", moov, entry, 0)
        if not flags & SELF_CONTAINED:
            raise ExternalMedia(f"A track's media lies in another file ({entry.kind.decode('latin-1').strip()}).")

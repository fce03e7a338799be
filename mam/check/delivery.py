"""The delivery of playlists and segments: the rules of types, compression, CORS and redirects. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mam.check.fetch import Answer
from mam.check.media import container_of
from mam.check.report import Finding, error, note

PLAYLIST_TYPES = {"application/vnd.apple.mpegurl", "audio/mpegurl"}
TYPES = {
    "ts": {"video/mp2t"},
    "mp4": {"video/mp4", "audio/mp4", "video/iso.segment"},
    "vtt": {"text/vtt"},
}


def playlist_delivery(answer: Answer, where: str) -> Iterator[Finding]:
    if answer.content_type not in PLAYLIST_TYPES:
        yield error("content-type", where, f"Its Content-Type is {answer.content_type or 'missing'}.")
    if not answer.gzipped:
        yield error("gzip", where, "It is not compressed for a client that accepts gzip.")
    if not answer.open:
        yield error("cors", where, "No Access-Control-Allow-Origin lets a page read it.")


def segment_delivery(answer: Answer, spot: str) -> Iterator[Finding]:
    allowed = TYPES.get(container_of(answer.body))
    if allowed and answer.content_type not in allowed:
        description = f"Its Content-Type is {answer.content_type or 'missing'}, not {' or '.join(sorted(allowed))}."
        yield error("content-type", spot, description)
    if not answer.open:
        yield error("cors", spot, "No Access-Control-Allow-Origin lets a page read it.")
    if answer.redirected:
        yield note("redirect", spot, "Media is redirected: right only while a video is made.")

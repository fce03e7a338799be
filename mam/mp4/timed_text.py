"""Converts samples of text tracks to WebVTT payloads: 3GPP timed text (`tx3g`), QuickTime `text`, and `wvtt`.

Nothing here raises: a damaged sample yields its readable text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from html import escape
from itertools import groupby

from mam.mp4.boxes import InvalidIndex, boxes

_STYLE = struct.Struct(">HHHBB4s")  # start, end (characters), font, face, size, colour: 3GPP TS 26.245 section 5.15
_QUICKTIME_STYLE = 20  # The size of the Macintosh's ScrpSTElement, by which it is recognised.
_FACES = ((1, "b"), (2, "i"), (4, "u"))


def payload(sample: bytes) -> str:
    """The escaped text of a `tx3g` or `text` sample, with tags for bold, italic and underline; "" for a gap."""
    if len(sample) < 2:
        return ""
    length = int.from_bytes(sample[:2], "big")
    text = _decode(sample[2 : 2 + length])
    if not text.strip("\0 \t\r\n"):
        return ""
    faces = _faces(sample[2 + length :], len(text))
    runs = groupby(zip(text, faces, strict=True), key=lambda pair: pair[1])
    return _lines("".join(_run("".join(letter for letter, _ in run), face) for face, run in runs))


def webvtt_payloads(sample: bytes) -> list[tuple[str, str]]:
    """(payload, settings) of each cue in a `wvtt` sample (ISO/IEC 14496-30 section 7); empty for a gap."""
    cues = (dict(_boxes(vttc)) for kind, vttc in _boxes(sample) if kind == b"vttc")
    fields = ((_plain(cue.get(b"payl", b"")), _plain(cue.get(b"sttg", b""))) for cue in cues)
    return [(text, " ".join(settings.split())) for text, settings in fields if text]


def _decode(data: bytes) -> str:
    """UTF-8, or UTF-16 after a byte order mark (TS 26.245 section 5.2); QuickTime's older tracks are in Mac Roman."""
    if data.startswith((b"\xfe\xff", b"\xff\xfe")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        cut_off = error.reason == "unexpected end of data"
        return data[: error.start].decode("utf-8-sig") if cut_off else data.decode("mac-roman")


def _faces(extra: bytes, count: int) -> bytes:
    """The face bits of each character, by the last `styl` box after the text that covers it."""
    faces = bytearray(count)
    for kind, body in _boxes(extra):
        records = int.from_bytes(body[:2], "big")
        if kind != b"styl" or len(body) == 2 + _QUICKTIME_STYLE * records:
            continue
        records_data = (
            body[2 : 2 + min(records, (len(body) - 2) // _STYLE.size) * _STYLE.size] if len(body) > 2 else b""
        )
        for start, end, _, face, _, _ in _STYLE.iter_unpack(records_data):
            end = min(end, count)
            if start < end:
                faces[start:end] = bytes([face & 7]) * (end - start)
    return bytes(faces)


def _run(text: str, face: int) -> str:
    tags = [tag for bit, tag in _FACES if face & bit and text.strip()]
    opening, closing = "".join(f"<{tag}>" for tag in tags), "".join(f"</{tag}>" for tag in reversed(tags))
    return opening + escape(text.replace("\0", ""), quote=False) + closing


def _plain(data: bytes) -> str:
    """Text that is WebVTT already, without parts that would end the cue early."""
    return _lines(data.decode("utf-8", "replace").replace("\0", "").replace("-->", "--&gt;"))


def _lines(text: str) -> str:
    lines = (line.strip() for line in text.replace("\r", "\n").split("\n"))
    return "\n".join(line for line in lines if line)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) of each box, up to the first damaged one."""
    try:
        for box in boxes(data, 0, len(data)):
            yield box.kind, data[box.payload : box.end]
    except InvalidIndex:
        return

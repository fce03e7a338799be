"""Reads the packet headers of an MPEG-TS segment (ISO/IEC 13818-1), without its codecs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

PACKET = 188
SYNC = 0x47
NULL_PID = 0x1FFF
PAT_PID = 0

Bytes = npt.NDArray[np.uint8]
Column = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Counter:
    """The continuity counters of a PID in a segment. `flagged`: the first packet has the discontinuity_indicator.

    `expected`: the counter of the next segment's first packet, when that has a payload.
    """

    first: int
    expected: int
    flagged: bool


@dataclass(frozen=True, slots=True)
class TsFacts:
    """The packets of a segment. `jumps`: places where a counter does not continue. `tables_first`: PAT and PMT precede
    all packets of the streams that they list. `whole`: the segment consists of complete packets."""

    whole: bool
    programs: int
    tables_first: bool
    jumps: int
    counters: dict[int, Counter] = field(default_factory=dict)


def read_ts(data: bytes) -> TsFacts:
    count = len(data) // PACKET
    table = np.frombuffer(data, np.uint8)[: count * PACKET].reshape(-1, PACKET)
    pids = (table[:, 1].astype(np.int64) & 0x1F) << 8 | table[:, 2]
    jumps, counters = 0, {}
    for pid in np.unique(pids).tolist():
        if pid != NULL_PID:
            counters[pid], wrong = _continuity(table[pids == pid])
            jumps += wrong
    programs = _programs(table[pids == PAT_PID])
    whole = len(data) % PACKET == 0 and bool((table[:, 0] == SYNC).all())
    return TsFacts(whole, len(programs), _tables_first(table, pids, programs), jumps, counters)


def _continuity(packets: Bytes) -> tuple[Counter, int]:
    control, counter = packets[:, 3] >> 4 & 3, packets[:, 3].astype(np.int64) & 15
    payload = control & 1 == 1
    flagged = (control & 2 == 2) & (packets[:, 4] > 0) & (packets[:, 5] & 0x80 == 0x80)
    step = np.diff(counter) & 15
    twice = (step == 0) & payload[1:] & payload[:-1]  # a packet may be sent twice
    right = (step == payload[1:]) | flagged[1:] | twice
    return Counter(int(counter[0]), int(counter[-1] + 1) & 15, bool(flagged[0])), int((~right).sum())


def _programs(packets: Bytes) -> list[int]:
    """The PIDs of the PMTs in the first PAT."""
    section = _section(packets)
    entries = [section[i : i + 4] for i in range(8, len(section) - 4, 4)]
    return [(entry[2] & 0x1F) << 8 | entry[3] for entry in entries if len(entry) == 4 and entry[:2] != b"\0\0"]


def _streams(packets: Bytes) -> list[int]:
    """The PIDs of the elementary streams in the first PMT."""
    section = _section(packets)
    if len(section) < 16:
        return []
    position, pids = 12 + ((section[10] & 15) << 8 | section[11]), []
    while position + 5 <= len(section) - 4:
        pids.append((section[position + 1] & 0x1F) << 8 | section[position + 2])
        position += 5 + ((section[position + 3] & 15) << 8 | section[position + 4])
    return pids


def _section(packets: Bytes) -> bytes:
    """The first section of a PID, which fits into one packet; empty without one."""
    for packet in packets:
        if packet[1] & 0x40:
            body = bytes(packet[5 + int(packet[4]) if packet[3] & 0x20 else 4 :])
            start = 1 + body[0] if body else 0
            length = (body[start + 1] & 15) << 8 | body[start + 2] if start + 3 <= len(body) else 0
            return body[start : start + 3 + length]
    return b""


def _tables_first(table: Bytes, pids: Column, programs: list[int]) -> bool:
    if not programs:
        return False
    media = [pid for program in programs for pid in _streams(table[pids == program])]
    first = np.isin(pids, media).argmax() if media else 0
    return bool(media) and {PAT_PID, *programs} <= set(pids[:first].tolist())

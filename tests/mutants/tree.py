"""An MP4 file as a tree of boxes that can be taken apart and put together again, rightly or wrongly."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

CONTAINERS = frozenset(b"moov trak mdia minf stbl edts dinf udta mvex moof traf".split())


@dataclass(slots=True)
class Node:
    """A box: its `content`, or the boxes in it. `claims`: a size that it says instead of its own."""

    kind: bytes
    content: bytes = b""
    children: list[Node] = field(default_factory=list)
    claims: int | None = None

    def __bytes__(self) -> bytes:
        inner = self.content + b"".join(map(bytes, self.children))
        size = len(inner) + 8 if self.claims is None else self.claims
        if size >= 1 << 32:
            return struct.pack(">I4sQ", 1, self.kind, size) + inner
        return struct.pack(">I4s", size, self.kind) + inner

    def all(self) -> Iterator[Node]:
        """Itself, and every box below."""
        yield self
        for child in self.children:
            yield from child.all()

    def find(self, kind: bytes) -> Node:
        """The first box of a kind. Raises StopIteration when there is none."""
        return next(node for node in self.all() if node.kind == kind)

    def tracks(self) -> list[Node]:
        return [node for node in self.children if node.kind == b"trak"]


def parse(data: bytes) -> list[Node]:
    """The boxes of a sound file, in order."""
    found, at = [], 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = size or len(data) - at
        if size < head or at + size > len(data):
            break
        inner = data[at + head : at + size]
        found.append(Node(kind, children=parse(inner)) if kind in CONTAINERS else Node(kind, inner))
        at += size
    return found


def join(nodes: list[Node]) -> bytes:
    return b"".join(map(bytes, nodes))

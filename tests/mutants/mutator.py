"""Accidents that happen to files: seeded, so that a number names a mutant for ever."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.mutants.tree import Node, join, parse

Part = Literal["index", "media"]
INDEX = (b"moov", b"moof", b"sidx", b"mfra")
EDGES = (0, 1, 2, 7, 8, 255, 0xFFFF, 1 << 24, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
MOST = 4  # accidents to one file


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged file. `accidents`: what happened to it, in words."""

    data: bytes
    accidents: tuple[str, ...]


def mutate(data: bytes, seed: int, part: Part) -> Mutant:
    """A file after one to four accidents to its index or to its media; the rest of it is as it was."""
    chance = random.Random(f"{seed} {part}")
    nodes = parse(data)
    roots = [node for node in nodes if (node.kind in INDEX) == (part == "index") and node.kind in (*INDEX, b"mdat")]
    accidents = INDEX_ACCIDENTS if part == "index" else MEDIA_ACCIDENTS
    told = []
    for _ in range(chance.randint(1, MOST)):
        root = chance.choice(roots)
        accident = chance.choice(accidents)
        told.append(f"{accident.__name__.strip('_')} {accident(chance, root)}")
    return Mutant(join(nodes), tuple(told))


# to the index: each gets a tree, damages a place in it and names that


def _any(chance: random.Random, root: Node) -> Node:
    return chance.choice(list(root.all()))


def _leaf(chance: random.Random, root: Node) -> Node:
    return chance.choice([node for node in root.all() if node.content] or [root])


def _parent(chance: random.Random, root: Node) -> Node:
    return chance.choice([node for node in root.all() if len(node.children) > 1] or [root])


def _put(node: Node, at: int, new: bytes) -> None:
    node.content = node.content[:at] + new + node.content[at + len(new) :]


def _byte(chance: random.Random, root: Node) -> str:
    node = _leaf(chance, root)
    if not node.content:
        return "nowhere"
    at = chance.randrange(len(node.content))
    _put(node, at, bytes([chance.randrange(256)]))
    return f"{node.kind!r}+{at}"


def _number(chance: random.Random, root: Node) -> str:
    node = _leaf(chance, root)
    if len(node.content) < 4:
        return "nowhere"
    at = chance.randrange(len(node.content) // 4) * 4
    value = chance.choice(EDGES) if chance.random() < 0.7 else chance.getrandbits(32)
    _put(node, at, struct.pack(">I", value))
    return f"{node.kind!r}+{at}={value}"


def _count(chance: random.Random, root: Node) -> str:
    """Of a table's rows, which stands behind its version and flags."""
    node = _leaf(chance, root)
    if len(node.content) < 8:
        return "nowhere"
    (count,) = struct.unpack_from(">I", node.content, 4)
    value = max(0, chance.choice((count - 1, count + 1, count * 2, 0, *EDGES))) & 0xFFFFFFFF
    _put(node, 4, struct.pack(">I", value))
    return f"{node.kind!r}={value}"


def _size(chance: random.Random, root: Node) -> str:
    node = _any(chance, root)
    own = len(bytes(node))
    node.claims = max(0, chance.choice((own - 1, own + 1, own + 8, own // 2, *EDGES)))
    return f"{node.kind!r}={node.claims}"


def _kind(chance: random.Random, root: Node) -> str:
    node, other = _any(chance, root), _any(chance, root)
    was = node.kind
    node.kind = chance.choice((other.kind, b"free", bytes(chance.randrange(256) for _ in range(4))))
    return f"{was!r}->{node.kind!r}"


def _shortened(chance: random.Random, root: Node) -> str:
    node = _leaf(chance, root)
    node.content = node.content[: chance.randrange(len(node.content) + 1)]
    return f"{node.kind!r} to {len(node.content)}"


def _doubled(chance: random.Random, root: Node) -> str:
    node = _parent(chance, root)
    if not node.children:
        return "nowhere"
    child = chance.choice(node.children)
    node.children.insert(chance.randrange(len(node.children) + 1), child)
    return repr(child.kind)


def _swapped(chance: random.Random, root: Node) -> str:
    node = _parent(chance, root)
    if len(node.children) < 2:
        return "nowhere"
    a, b = chance.sample(range(len(node.children)), 2)
    node.children[a], node.children[b] = node.children[b], node.children[a]
    return f"{node.children[b].kind!r}, {node.children[a].kind!r}"


def _moved(chance: random.Random, root: Node) -> str:
    """To where such a box has no business."""
    source, target = _parent(chance, root), _parent(chance, root)
    if not source.children:
        return "nowhere"
    child = chance.choice(source.children)
    if target in list(child.all()):
        return "nowhere"
    source.children.remove(child)
    target.children.append(child)
    return f"{child.kind!r} into {target.kind!r}"


def _lost(chance: random.Random, root: Node) -> str:
    node = _parent(chance, root)
    if not node.children:
        return "nowhere"
    child = node.children.pop(chance.randrange(len(node.children)))
    return repr(child.kind)


# to the media: nothing moves, but where bytes are lost or come in between


def _span(chance: random.Random, root: Node) -> tuple[int, int]:
    begin = chance.randrange(max(1, len(root.content)))
    return begin, min(len(root.content), begin + chance.choice((1, 4, 64, 1024, 16384)))


def _zeroed(chance: random.Random, root: Node) -> str:
    begin, end = _span(chance, root)
    _put(root, begin, bytes(end - begin))
    return f"{begin}-{end}"


def _noise(chance: random.Random, root: Node) -> str:
    begin, end = _span(chance, root)
    _put(root, begin, chance.randbytes(end - begin))
    return f"{begin}-{end}"


def _flipped(chance: random.Random, root: Node) -> str:
    """A bit here and there in a hundred thousand."""
    places = [chance.randrange(max(1, len(root.content))) for _ in range(1 + len(root.content) // 12_500)]
    content = bytearray(root.content)
    for at in places:
        if content:
            content[at] ^= 1 << chance.randrange(8)
    root.content = bytes(content)
    return f"at {len(places)} places"


def _elsewhere(chance: random.Random, root: Node) -> str:
    """A piece of the media stands where another should."""
    begin, end = _span(chance, root)
    source = chance.randrange(max(1, len(root.content) - (end - begin)))
    _put(root, begin, root.content[source : source + end - begin])
    return f"{begin}-{end} from {source}"


def _removed(chance: random.Random, root: Node) -> str:
    begin, end = _span(chance, root)
    root.content = root.content[:begin] + root.content[end:]
    return f"{begin}-{end}"


def _inserted(chance: random.Random, root: Node) -> str:
    begin, end = _span(chance, root)
    root.content = root.content[:begin] + chance.randbytes(end - begin) + root.content[begin:]
    return f"{end - begin} at {begin}"


Accident = Callable[[random.Random, Node], str]
INDEX_ACCIDENTS: tuple[Accident, ...] = (
    _byte, _byte, _number, _number, _count, _size, _kind, _shortened, _doubled, _swapped, _moved, _lost,
)  # fmt: skip
MEDIA_ACCIDENTS: tuple[Accident, ...] = (_zeroed, _noise, _noise, _flipped, _flipped, _elsewhere, _removed, _inserted)

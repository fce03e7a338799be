"""Copies that no decoder makes anything of are never published: `auto` encodes instead, `source` says why not."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest

from tests.integration.system import Stack, is_problem, until
from tests.media import MediaFolder, Recipe, complaints, picture_hashes
from tests.mutants.tree import join, parse
from tests.unit.films import opened

# Key frames every two seconds; nothing is shown before what is decoded before it.
PICTURE = "testsrc2=s=160x90:r=25:d=40"
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0", "-g", "50", "-keyint_min", "50")
FILM = Recipe("film.mp4", ("-f", "lavfi", "-i", PICTURE, *X264, "-sc_threshold", "0"))
LYING = 4  # the number of a key frame that is not looked at when the film is planned


def lying(data: bytes) -> bytes:
    """The index calls the picture behind a key frame one, and not the key frame."""
    nodes = parse(data)
    moov = next(node for node in nodes if node.kind == b"moov")
    stss = moov.find(b"stss")
    at = 8 + 4 * (3 * LYING // 4)
    (number,) = struct.unpack_from(">I", stss.content, at)
    stss.content = stss.content[:at] + struct.pack(">I", number + 1) + stss.content[at + 4 :]
    return join(nodes)


def spoiled(data: bytes) -> bytes:
    """A key frame whose header says that it is one, and nothing else of it is left."""
    samples = opened(data).samples(0)
    keys = np.flatnonzero(samples.key)
    out = bytearray(data)
    for key in keys[-2:].tolist():  # the last segment that begins with one is looked at
        at, size = int(samples.offset[key]), int(samples.size[key])
        out[at : at + size] = struct.pack(">IB", size - 4, 0x65) + b"\xff" * (size - 5)
    return bytes(out)


@pytest.mark.parametrize("spoil", [lying, spoiled])
def test_a_copy_that_cannot_be_decoded_is_not_published(
    one_stack: Stack, media: MediaFolder, folder: str, spoil: Callable[[bytes], bytes]
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", spoil(media.bytes(FILM)))
    answer = one_stack.transcode(key, profile="source")
    assert is_problem(answer, 422, "undecodable")
    assert "reencode=true" in answer.json()["hint"]
    until(lambda: one_stack.keys(f"{folder}/") == set(), "what was made is removed")


@pytest.mark.parametrize("spoil", [lying, spoiled])
def test_auto_encodes_what_cannot_be_decoded_as_a_copy(
    one_stack: Stack, media: MediaFolder, folder: str, spoil: Callable[[bytes], bytes]
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", spoil(media.bytes(FILM)))
    video = one_stack.convert(key, profile="auto")
    plan = one_stack.plan(video)
    assert plan.video_track is not None
    assert (plan.profile.value, plan.recoded, plan.video_track.action) == ("auto", True, "encode")
    url = one_stack.stream_url(key, profile="auto")
    assert complaints(url) == ""
    assert len(picture_hashes(url)) == 1000


def test_what_was_encoded_instead_is_found_again(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", lying(media.bytes(FILM)))
    first = one_stack.revision(one_stack.convert(key, profile="auto"))
    assert one_stack.revision(one_stack.convert(key, profile="auto")) == first
    assert one_stack.transcode(key, profile="auto", wait=False).status_code == 200  # it is live

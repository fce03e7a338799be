"""Files that point elsewhere, disguised as videos: refused, and nothing that they point at is looked at.

What they point at are canaries. A web server on this machine counts who calls. A named pipe stands where a file is
named: who opens a pipe to read it lets the other end be opened too, which is refused (ENXIO) as long as nobody has.
And a plain file, whose words must not turn up in any answer, nor in anything that is stored.
"""

from __future__ import annotations

import errno
import io
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dev.servers import LOOPBACK
from tests.integration.system import BUCKET, Stack, is_problem, until
from tests.media import CLIP, MOOV_AT_END, MediaFolder
from tests.mutants.tree import Node, join, parse

WORDS = b"the canary's own words 5d41402abc4b"
WATCH_SECONDS = 0.02
TYPES = ("video/mp4", "application/vnd.apple.mpegurl", "application/dash+xml", "image/svg+xml", "text/plain")
REFUSED = {"not_a_video", "invalid_index", "truncated_media", "external_media"}


@dataclass
class Canaries:
    """`url` of the server, `pipe` and `file` in a folder. `calls`: what was touched."""

    url: str
    pipe: Path
    file: Path
    calls: list[str] = field(default_factory=list)


@pytest.fixture
def canaries(tmp_path: Path) -> Iterator[Canaries]:
    pipe, file = tmp_path / "pipe.ts", tmp_path / "canary.ts"
    os.mkfifo(pipe)
    file.write_bytes(WORDS)
    with socket.create_server((LOOPBACK, 0)) as server:
        server.settimeout(WATCH_SECONDS)
        found = Canaries(f"http://{LOOPBACK}:{server.getsockname()[1]}/canary.ts", pipe, file)
        over = threading.Event()
        watchers = [
            threading.Thread(target=_until_over, args=(over, lambda: _listen(server, found))),
            threading.Thread(target=_until_over, args=(over, lambda: _watch(pipe, found, over))),
        ]
        for thread in watchers:
            thread.start()
        try:
            yield found
        finally:
            over.set()
            for thread in watchers:
                thread.join()


def _until_over(over: threading.Event, look: Callable[[], None]) -> None:
    while not over.is_set():
        look()


def _listen(server: socket.socket, canaries: Canaries) -> None:
    with suppress(TimeoutError):
        connection, _ = server.accept()
        canaries.calls.append("the server was called")
        connection.close()


def _watch(pipe: Path, canaries: Canaries, over: threading.Event) -> None:
    """Whoever opens a pipe to read it waits for a writer: one look in a while misses nobody."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        canaries.calls.append("the pipe was opened")
    except OSError as error:
        assert error.errno == errno.ENXIO
    over.wait(WATCH_SECONDS)


Disguise = Callable[[Canaries, MediaFolder], bytes]


def hls(canaries: Canaries, _: MediaFolder) -> bytes:
    links = (canaries.url, f"file://{canaries.pipe}", str(canaries.file), f"concat:{canaries.pipe}|{canaries.file}")
    segments = "".join(f"#EXTINF:4,\n{link}\n" for link in links)
    return f'#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI="{canaries.url}"\n{segments}#EXT-X-ENDLIST\n'.encode()


def master(canaries: Canaries, _: MediaFolder) -> bytes:
    variants = "".join(f"#EXT-X-STREAM-INF:BANDWIDTH=1\n{link}\n" for link in (canaries.url, canaries.pipe))
    return f"#EXTM3U\n{variants}".encode()


def concat(canaries: Canaries, _: MediaFolder) -> bytes:
    return f"ffconcat version 1.0\nfile '{canaries.pipe}'\nfile '{canaries.url}'\nfile '{canaries.file}'\n".encode()


def dash(canaries: Canaries, _: MediaFolder) -> bytes:
    return f"""<?xml version="1.0"?>
<!DOCTYPE MPD [<!ENTITY canary SYSTEM "file://{canaries.pipe}">]>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S">
<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>{canaries.url}</BaseURL>
</Representation><Representation id="2" bandwidth="2"><BaseURL>file://{canaries.pipe}</BaseURL>&canary;
</Representation></AdaptationSet></Period></MPD>""".encode()


def svg(canaries: Canaries, _: MediaFolder) -> bytes:
    return f"""<?xml version="1.0"?>
<!DOCTYPE svg [<!ENTITY canary SYSTEM "file://{canaries.pipe}">]>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="64" height="64">
<image xlink:href="{canaries.url}" width="64" height="64"/><image xlink:href="file://{canaries.pipe}"/>
<text>&canary;</text></svg>""".encode()


def behind_a_header(disguise: Disguise) -> Disguise:
    """What begins like an MP4 file and goes on as something else."""
    head = struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"isom")
    return lambda canaries, media: head + b"\n" + disguise(canaries, media)


def inside_the_media(disguise: Disguise) -> Disguise:
    """A sound index over media that is something else."""

    def wrap(canaries: Canaries, media: MediaFolder) -> bytes:
        nodes = parse(media.bytes(MOOV_AT_END))
        mdat = next(node for node in nodes if node.kind == b"mdat")
        text = disguise(canaries, media)
        mdat.content = (text * (len(mdat.content) // len(text) + 1))[: len(mdat.content)]
        return join(nodes)

    return wrap


def referring(entry: Callable[[Canaries], Node]) -> Disguise:
    """A film whose tracks say that their media lies in another file."""

    def refer(canaries: Canaries, media: MediaFolder) -> bytes:
        nodes = parse(media.bytes(MOOV_AT_END))
        moov = next(node for node in nodes if node.kind == b"moov")
        for track in moov.tracks():
            track.find(b"dref").content = struct.pack(">II", 0, 1) + bytes(entry(canaries))
        return join(nodes)

    return refer


def _url(canaries: Canaries) -> Node:
    return Node(b"url ", bytes(4) + canaries.url.encode() + b"\0")


def _file_url(canaries: Canaries) -> Node:
    return Node(b"url ", bytes(4) + f"file://{canaries.pipe}".encode() + b"\0")


def _alias(canaries: Canaries) -> Node:
    """QuickTime's: a Mac OS alias record whose path (type 2) and POSIX path (type 18) name the pipe."""
    name = canaries.pipe.name.encode()
    path = str(canaries.pipe).encode()
    record = bytearray(150)
    record[4:6] = struct.pack(">H", 150 + len(path) * 2 + 12)
    record[6:8] = struct.pack(">H", 2)
    record[50 : 51 + len(name)] = bytes([len(name)]) + name
    for kind in (2, 18):
        record += struct.pack(">hH", kind, len(path)) + path + b"\0" * (len(path) % 2)
    return Node(b"alis", bytes(4) + bytes(record) + struct.pack(">hH", -1, 0))


SCRIPTS: dict[str, Disguise] = {"hls": hls, "master": master, "ffconcat": concat, "dash": dash, "svg": svg}
DISGUISES: dict[str, Disguise] = {
    **SCRIPTS,
    **{f"{name} behind ftyp": behind_a_header(disguise) for name, disguise in SCRIPTS.items()},
}
REFERENCES: dict[str, Disguise] = {
    "url": referring(_url), "file url": referring(_file_url), "alias": referring(_alias),
}  # fmt: skip


def put(stack: Stack, key: str, data: bytes, content_type: str) -> str:
    stack.s3.client.put_object(BUCKET, key, io.BytesIO(data), len(data), content_type=content_type)
    return key


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("what", DISGUISES)
def test_a_script_in_disguise_is_refused_and_nothing_it_names_is_touched(
    one_stack: Stack, media: MediaFolder, folder: str, canaries: Canaries, what: str, content_type: str
) -> None:
    key = put(one_stack, f"{folder}/a.mp4", DISGUISES[what](canaries, media), content_type)
    for profile in ("source", "h264"):
        answer = one_stack.transcode(key, profile=profile)
        assert is_problem(answer, 422, answer.json()["code"])
        assert answer.json()["code"] in REFUSED
        assert WORDS not in answer.content
        assert is_problem(one_stack.get(one_stack.stream_url(key, profile=profile)), 422, answer.json()["code"])
    until(lambda: one_stack.keys(f"{folder}/") == set(), "nothing is left of it")
    assert canaries.calls == []


@pytest.mark.parametrize("profile", ["source", "h264"])
@pytest.mark.parametrize("what", REFERENCES)
def test_a_film_whose_media_lies_in_another_file_is_refused_and_that_file_is_not_touched(
    one_stack: Stack, media: MediaFolder, folder: str, canaries: Canaries, what: str, profile: str
) -> None:
    key = put(one_stack, f"{folder}/a.mov", REFERENCES[what](canaries, media), "video/quicktime")
    answer = one_stack.transcode(key, profile=profile)
    assert canaries.calls == []
    assert is_problem(answer, 422, answer.json().get("code"))
    until(lambda: one_stack.keys(f"{folder}/") == set(), "nothing is left of it")


@pytest.mark.parametrize("what", SCRIPTS)
def test_a_script_where_the_media_should_be_is_never_followed(
    one_stack: Stack, media: MediaFolder, folder: str, canaries: Canaries, what: str
) -> None:
    key = put(one_stack, f"{folder}/a.mp4", inside_the_media(SCRIPTS[what])(canaries, media), "video/mp4")
    for profile in ("source", "h264"):
        one_stack.transcode(key, profile=profile)
        assert canaries.calls == []
        assert WORDS not in b"".join(one_stack.contents(f"{folder}/").values())


@pytest.mark.parametrize("link", ["url", "pipe"])
def test_a_canary_that_is_touched_says_so(canaries: Canaries, link: str) -> None:
    if link == "url":
        socket.create_connection((LOOPBACK, int(canaries.url.split(":")[2].split("/")[0]))).close()
    else:
        threading.Thread(target=lambda: canaries.pipe.read_bytes(), daemon=True).start()
    until(lambda: canaries.calls, "the canary has noticed", seconds=30)


def test_a_file_like_these_but_for_its_contents_plays(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    """The content type and the key decide nothing."""
    key = put(one_stack, f"{folder}/a.mp4", media.bytes(CLIP), "application/vnd.apple.mpegurl")
    assert one_stack.convert(key)

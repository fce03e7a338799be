"""What is fetched, what is not, and what may be shown of a URL."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mam.check.fetch import MAX_PLAYLIST, Client, Unreachable, place


def test_a_signature_is_not_shown_and_the_name_of_a_rendition_is() -> None:
    assert place("https://s3/vod/a/0.ts?X-Amz-Date=1&X-Amz-Signature=abc") == "https://s3/vod/a/0.ts"
    assert (
        place("https://vod/video/a/playlist.m3u8?rendition=720p#x")
        == "https://vod/video/a/playlist.m3u8?rendition=720p"
    )


@pytest.mark.parametrize(
    "url",
    ["nonsense", "http://", "http://[::1", "ftp://host/a.m3u8", "http://127.0.0.1:1/a", "http://a b/c", "http://host:x/",
     "http://" + "a" * 300 + ".example/", "http://\ud800.example/", "http://.example/", ""],
)  # fmt: skip
def test_a_url_that_nothing_answers_at_is_named_and_no_program_text(url: str) -> None:
    with Client() as client, pytest.raises(Unreachable) as raised:
        client.playlist(url)
    assert place(url) in raised.value.detail


class Answers(BaseHTTPRequestHandler):
    """Says what the tests want to see handled."""

    def do_GET(self) -> None:
        if self.path == "/bomb":
            body, encoding = gzip.compress(bytes(MAX_PLAYLIST + 1)), "gzip"
        elif self.path == "/broken":
            body, encoding = b"no gzip at all", "gzip"
        else:
            body, encoding = gzip.compress(self.headers["Origin"].encode()), "gzip"
        status = 302 if self.path == "/moved" else 307 if self.path in ("/round", "/nowhere") else 200
        self.send_response(status)
        self.send_header("Content-Encoding", encoding)
        self.send_header("Content-Length", str(len(body)))
        self.send_header(
            "Location", {"/moved": "/there", "/round": "/round", "/nowhere": "http://[::1"}.get(self.path, "/")
        )
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


def test_what_came_is_told_as_it_came(server: str) -> None:
    with Client() as client:
        answer = client.playlist(f"{server}/moved")
    assert (answer.url, answer.status, answer.redirected, answer.gzipped) == (f"{server}/there", 200, True, True)
    assert answer.open
    assert answer.body == b"https://player.example"


@pytest.mark.parametrize("path", ["/bomb", "/broken", "/round", "/nowhere"])
def test_an_answer_without_end_or_sense_is_none(server: str, path: str) -> None:
    with Client() as client, pytest.raises(Unreachable):
        client.playlist(f"{server}{path}")

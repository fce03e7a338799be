"""Built files as they are served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mam.errors import NotFound
from mam.web.assets import NotBuilt, PageAssets

MANIFEST = {"app": {"script": "app-ABCDEFGH.js", "styles": ["styles-ABCDEFGH.css"], "preloads": []}}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    for name, text in {
        "manifest.json": json.dumps(MANIFEST),
        "app-ABCDEFGH.js": "plain",
        "app-ABCDEFGH.js.br": "brotli",
        "app-ABCDEFGH.js.gz": "gzip",
        "icon.svg": "<svg/>",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("accepts", "body", "encoding"),
    [
        ("gzip, deflate, br", b"brotli", "br"),
        ("gzip;q=0.8", b"gzip", "gzip"),
        ("br;q=0, gzip", b"gzip", "gzip"),
        ("identity", b"plain", None),
        ("", b"plain", None),
    ],
)
def test_a_file_comes_in_the_best_encoding_that_is_accepted(
    built: Path, accepts: str, body: bytes, encoding: str | None
) -> None:
    answer = PageAssets(built).answer("app-ABCDEFGH.js", accepts)
    assert (answer.body, answer.headers.get("content-encoding")) == (body, encoding)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["vary"] == "Accept-Encoding"


def test_only_what_is_named_by_its_content_is_kept_for_ever(built: Path) -> None:
    scripts = PageAssets(built)
    assert "immutable" in scripts.answer("app-ABCDEFGH.js", "").headers["cache-control"]
    assert "immutable" not in scripts.answer("icon.svg", "").headers["cache-control"]


@pytest.mark.parametrize("name", ["manifest.json", "none.js", "..", "../scripts.py", "a/b.js", ""])
def test_there_is_nothing_but_what_was_built(built: Path, name: str) -> None:
    with pytest.raises(NotFound):
        PageAssets(built).answer(name, "gzip")


def test_pages_that_were_built_after_the_start_are_found(tmp_path: Path, built: Path) -> None:
    folder = tmp_path / "later"
    scripts = PageAssets(folder)
    with pytest.raises(NotBuilt):
        scripts.entry("app")
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    assert scripts.entry("app").script == "app-ABCDEFGH.js"

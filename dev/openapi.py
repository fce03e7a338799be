"""Writes the schemas of both services, which the types of the pages are generated from: `make openapi`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import video_transcoding_main_server
import vod_main_server

FOLDER = Path(__file__).resolve().parents[1] / "mam" / "web" / "ui" / "openapi"
APPS = {"vod": vod_main_server.app, "transcoding": video_transcoding_main_server.app}
# Texts change more often than types. A discriminator would turn its property into a string; a union needs none.
LEFT_OUT = ("title", "description", "examples", "discriminator")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for path, text in documents().items():
        # An unchanged file stays as old as it is: make builds the pages when a source is newer.
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"written: {path}")


def documents() -> dict[Path, str]:
    """The files and their contents, without services that run."""
    return {FOLDER / f"{name}.json": _document(app.openapi()) for name, app in APPS.items()}


def _document(described: dict[str, Any]) -> str:
    document = {
        "openapi": described["openapi"],
        "info": {"title": "", "version": ""},
        "paths": {},
        "components": {"schemas": _types_only(described["components"]["schemas"])},
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _types_only(node: Any) -> Any:
    if isinstance(node, list):
        return [_types_only(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {name: _types_only(value) for name, value in node.items() if not _is_left_out(name, value)}


def _is_left_out(name: str, value: Any) -> bool:
    """A property may be called "title" too: its value is a schema."""
    is_schema = isinstance(value, dict) and "propertyName" not in value
    return name in LEFT_OUT and not is_schema


if __name__ == "__main__":
    main()

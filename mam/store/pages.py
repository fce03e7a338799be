"""A page of ListObjectsV2 as XML, read by what is needed of it alone."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus

from mam.errors import StoreUnavailable

SECONDS = 19  # characters of 2026-11-25T12:00:00.000Z up to the seconds


@dataclass(frozen=True, slots=True)
class Row:
    """`etag`: without its quotes, '' where there is none. `modified`: Unix seconds."""

    key: str
    size: int
    etag: str
    modified: int


def parse(data: bytes) -> tuple[list[Row], str]:
    """The objects of a page, and what the next one is asked for by; '' on the last. Raises StoreUnavailable."""
    try:
        root = ET.fromstring(data)  # noqa: S314 - of the store, whose SDK reads it the same way
        space = root.tag[: root.tag.find("}") + 1]
        is_quoted = root.findtext(f"{space}EncodingType") == "url"
        rows = [_row(contents, space, is_quoted) for contents in root.iterfind(f"{space}Contents")]
    except (ET.ParseError, KeyError, ValueError) as error:
        raise StoreUnavailable("The object store's listing cannot be read.") from error
    is_truncated = root.findtext(f"{space}IsTruncated") == "true"
    return rows, (root.findtext(f"{space}NextContinuationToken") or "") if is_truncated else ""


def _row(contents: ET.Element, space: str, is_quoted: bool) -> Row:
    found = {child.tag[len(space) :]: child.text or "" for child in contents}
    key, modified = found["Key"], found.get("LastModified", "")
    return Row(
        key=unquote_plus(key) if is_quoted and ("%" in key or "+" in key) else key,
        size=int(found.get("Size") or 0),
        etag=found.get("ETag", "").strip('"'),
        modified=int(datetime.fromisoformat(f"{modified[:SECONDS]}+00:00").timestamp()) if modified else 0,
    )

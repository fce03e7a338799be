"""Names as parameters of paths. What they may be is documented here, and checked where they are used (`naming.py`)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from mam.naming import BUCKET_SCHEMA, KEY_SCHEMA, VIDEO_SCHEMA

Bucket = Annotated[str, Path(json_schema_extra=BUCKET_SCHEMA, examples=["myvideos"])]
ObjectKey = Annotated[
    str,
    Path(
        json_schema_extra=KEY_SCHEMA, examples=["sample.mp4"], description="Slashes in it may be written as they are."
    ),
]
VideoName = Annotated[
    str,
    Path(json_schema_extra=VIDEO_SCHEMA, examples=["sample"], description="The object's key without its extension."),
]

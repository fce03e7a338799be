"""Names as path parameters, with their documentation; `naming.py` checks them where they are used."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from mam.naming import BUCKET_SCHEMA, KEY_SCHEMA, VIDEO_SCHEMA

Bucket = Annotated[str, Path(json_schema_extra=BUCKET_SCHEMA, examples=["myvideos"])]
ObjectKey = Annotated[
    str,
    Path(json_schema_extra=KEY_SCHEMA, examples=["sample.mp4"], description="Its slashes need no encoding."),
]
VideoName = Annotated[
    str,
    Path(json_schema_extra=VIDEO_SCHEMA, examples=["sample"], description="The object's key without its extension."),
]

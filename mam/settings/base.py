"""What the groups of settings share: where they are read from, and the kinds of their values."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _host_and_port(value: str) -> str:
    """People paste `http://host:9000/`; the S3 client needs `host:9000`."""
    return (urlsplit(value).netloc if "://" in value else value).strip("/")


Names = Annotated[list[str], NoDecode, BeforeValidator(split)]
Endpoint = Annotated[str, AfterValidator(_host_and_port)]


class Group(BaseSettings):
    """Some of the settings, read from the environment and `.env`."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,  # The input may be a secret.
    )

"""Grants: what a playback token permits, and the claims that say so (RFC 7519, and our own)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from mam.errors import InvalidName
from mam.hls.recipe import Profile
from mam.naming import Asset, check_prefix, users_path, video_names
from mam.stored import LAST_MOMENT

AUDIENCE = "mam-playback"
MOST_SECONDS = 7 * 24 * 3600  # A token is valid this long at most. A denied token is remembered as long.
MOST_ENTRIES = 50  # A claim lists this many values at most.
MOST_STREAMS = 1000  # At once.
MOST_HEIGHT = 10_000  # Pixels of the shorter side.
TEXT = 200  # A claim's text has this many characters at most, names of objects apart.

Moment = Annotated[int, Field(ge=0, le=int(LAST_MOMENT))]  # Unix seconds
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Texts = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=TEXT)]],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=MOST_ENTRIES),
]


class Restrictions(BaseModel):
    """The optional claims of a token: each restricts it, but for `make` and `download`."""

    model_config = ConfigDict(strict=True, extra="ignore")

    vid: str | None = Field(
        default=None, min_length=1, max_length=TEXT, description="The viewer, in the operator's words.",
        examples=["user-1234"],
    )  # fmt: skip
    ip: Texts | None = Field(
        default=None, description="Networks of the viewer's address.", examples=[["203.0.113.0/24"]]
    )
    ref: Texts | None = Field(
        default=None, description="Hosts of pages that may play it.", examples=[["app.example.com"]]
    )
    cc: Texts | None = Field(
        default=None, description="Countries, as PLAYBACK_COUNTRY_HEADER names them.", examples=[["DE", "AT"]]
    )
    make: list[Annotated[Profile, Field(strict=False)]] | None = Field(
        default=None, max_length=len(Profile),
        description="The profiles by which it may have videos converted; none by default.",
    )  # fmt: skip
    max_height: int | None = Field(
        default=None, ge=1, le=MOST_HEIGHT, description="The longest shorter side of a picture in pixels.",
        examples=[720],
    )  # fmt: skip
    max: int | None = Field(
        default=None, ge=1, le=MOST_STREAMS, description="On how many devices the viewer `vid` may play at once.",
        examples=[3],
    )  # fmt: skip

    download: bool = Field(default=False, description="Whether the viewer may download the asset itself.")


class Claims(Restrictions):
    """The claims of a token. Others are ignored."""

    sub: str = Field(min_length=3, max_length=1100)
    exp: Moment
    nbf: Moment | None = None
    iat: Moment | None = None
    jti: str | None = Field(default=None, min_length=1, max_length=TEXT)

    @model_validator(mode="after")
    def _counted_by_viewer(self) -> Claims:
        if self.max is not None and self.vid is None:
            raise ValueError("max needs the claim vid: the devices of one viewer are counted")
        return self

    @field_validator("ip")
    @classmethod
    def _networks(cls, value: list[str] | None) -> list[str] | None:
        for text in value or ():
            ipaddress.ip_network(text, strict=False)
        return value

    @field_validator("sub")
    @classmethod
    def _subject(cls, value: str) -> str:
        try:
            asset_of(value)
        except InvalidName as error:
            raise ValueError(error.detail) from error
        return value


def asset_of(subject: str) -> Asset | None:
    """The asset that a subject names; None for a prefix, which ends in a slash. Raises InvalidName."""
    bucket, _, key = subject.partition("/")
    if not subject.endswith("/"):
        return Asset(bucket, key)
    check_prefix(subject)
    return None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a verified token permits. `subject`: `bucket/key`, or a prefix that ends in a slash; times: Unix seconds."""

    subject: str
    expires: float
    begins: float
    key_id: str
    token_id: str = ""
    viewer: str = ""
    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    makes: frozenset[Profile] = frozenset()
    max_height: int = 0  # pixels of the shorter side; 0 for any picture
    max_streams: int = 0  # devices of the viewer at once; 0 for any number
    download: bool = False  # the asset itself
    share: str = ""  # the id of the share link that it comes from

    def covers(self, source: str) -> bool:
        """Whether the grant is for an asset, `bucket/key`."""
        return source == self.subject or (self.subject.endswith("/") and source.startswith(self.subject))

    def may_cover(self, video: str) -> bool:
        """Whether a video of this name, whose asset is not known yet, may be of an asset that the grant is for."""
        asset = asset_of(self.subject)
        if asset is None:
            return users_path(video).startswith(self.subject.partition("/")[2])
        return video in video_names(asset) or video == asset.key  # the tree of another tool is its own asset

    def is_current(self, now: float) -> bool:
        return self.begins <= now < self.expires

    @property
    def is_bound(self) -> bool:
        """Whether it depends on where a request comes from."""
        return bool(self.networks or self.hosts or self.countries)

    def admits(self, *, address: str, page: str, is_ours: bool, country: str) -> bool:
        """Whether a request may use it. `page`: the origin or address of the page that plays; '' where unknown.

        `is_ours`: whether that is a page of this service, such as an embedded player: it was admitted itself.
        """
        return (
            (not self.networks or _is_in(address, self.networks))
            and (not self.hosts or is_ours or host_of(page) in self.hosts)
            and (not self.countries or country.upper() in self.countries)
        )


def grant_of(payload: dict[str, Any], *, key_id: str, leeway: float) -> Grant:
    """The grant of a verified payload. Raises ValueError in words that say which claim is wrong."""
    try:
        claims = Claims.model_validate(payload)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(
            f"its claim {'.'.join(map(str, first['loc']))}: {first['msg']}".replace("claim : Value error, ", "claim ")
        ) from error
    return Grant(
        subject=claims.sub,
        expires=claims.exp,
        begins=(claims.nbf or 0) - leeway,
        key_id=key_id,
        token_id=claims.jti or "",
        viewer=claims.vid or "",
        networks=tuple(ipaddress.ip_network(text, strict=False) for text in claims.ip or ()),
        hosts=frozenset(host.lower() for host in claims.ref or ()),
        countries=frozenset(country.upper() for country in claims.cc or ()),
        makes=frozenset(claims.make or ()),
        max_height=claims.max_height or 0,
        max_streams=claims.max or 0,
        download=claims.download,
    )


def host_of(page: str) -> str:
    """The host in an origin or address, without its port; '' where there is none."""
    try:
        return urlsplit(page).hostname or ""
    except ValueError:
        return ""


def _is_in(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return any(mapped in network for network in networks)

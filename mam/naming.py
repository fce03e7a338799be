"""Names of assets, videos and revisions, and every key in the VoD bucket."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from mam.errors import InvalidName

MAX_KEY_BYTES = 1024  # This is S3's limit.
MAX_VIDEO_NAME_BYTES = 960  # This leaves room for /<revision>/<rendition>/00000.ts within a key.
REVISION = re.compile(r"[0-9a-f]{12}")
SEGMENT = re.compile(r"([0-9]{5,8})\.(?:ts|m4s|vtt)")
RENDITION = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
SHEET = re.compile(r"storyboard-[0-9]{2,4}\.jpg")
RUNG = re.compile(r"v[0-9]{1,4}")  # The renditions of a ladder's rungs; no other rendition is called so.
JOB = re.compile(rf"{REVISION.pattern}(?:-{RUNG.pattern})?")
COMMIT = "index.m3u8"  # The media playlists of several renditions have this name too.
INIT = "init.mp4"  # This is the media initialization section of a rendition.
PLAN = "plan.json"
INDEX = "samples.npz"  # This is the sample index that was made for a source without one.
POSTER, STORYBOARD = "poster.jpg", "storyboard.vtt"
UNFINISHED = ".unfinished/"
REPLACED = ".replaced/"
FILES = "~"  # In an address, it stands between another tool's tree and the path of one of its files.
_KINDS = ".kinds"
SHARES = ".shares.json"  # The share links, at the top of the VoD bucket.
# The objects in the VoD bucket that this program alone reads, where * is any text: plans, orders, notes and other JSON,
# the names of live revisions, sample indexes. All else there is HLS. No name of a user's matches (`kept_apart`).
INTERNAL = ("*.json", f"*/{_KINDS}/*", f"*/{INDEX}")
_APART = "~"  # It follows a component of a user's name that could be a key of ours.
# The types of files that are converted: their boxes are those of ISO base media or QuickTime.
MEDIA_TYPES = {
    "3g2": "video/3gpp2",
    "3gp": "video/3gpp",
    "f4v": "video/mp4",
    "m4a": "audio/mp4",
    "m4b": "audio/mp4",
    "m4v": "video/x-m4v",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "qt": "video/quicktime",
}
# What follows the name of a video, or of an asset, in the addresses of playlists, pictures, states and segments.
_OTHER_ADDRESS = re.compile(
    rf"/(?:playlist\.m3u8|{re.escape(POSTER)}|{re.escape(STORYBOARD)}|status)$"
    rf"|/{REVISION.pattern}/(?:{SHEET.pattern}|{RENDITION.pattern}/(?:{SEGMENT.pattern}|{re.escape(INIT)}))$"
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+(\.\d+){3}")  # A bucket's name must not be an IP address.
# The rules of `check_bucket` and `check_key` as far as JSON Schema can state them. They document, and check nothing.
_PART = r"[^/\u0000-\u001f\u007f-\u009f\u2028\u2029]+"
_KEY: dict[str, Any] = {"minLength": 1, "pattern": f"^{_PART}(/{_PART})*$"}
BUCKET_SCHEMA: dict[str, Any] = {"minLength": 3, "maxLength": 63, "pattern": "^[a-z0-9][a-z0-9.-]*[a-z0-9]$"}
KEY_SCHEMA = {**_KEY, "maxLength": MAX_KEY_BYTES}
VIDEO_SCHEMA = {**_KEY, "maxLength": MAX_VIDEO_NAME_BYTES}
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # These are controls, surrogates, line and paragraph separators.


@dataclass(frozen=True, slots=True)
class Asset:
    """An object in a source bucket. Raises InvalidName unless both names are usable as they are."""

    bucket: str
    key: str

    def __post_init__(self) -> None:
        check_bucket(self.bucket)
        check_key(self.key)

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}"


def check_bucket(bucket: str) -> None:
    """Raises InvalidName unless `bucket` follows S3's rules for bucket names."""
    if (
        not _BUCKET.fullmatch(bucket)
        or any(pair in bucket for pair in ("..", ".-", "-."))
        or _ADDRESS.fullmatch(bucket)
    ):
        raise InvalidName(
            f"{bucket[:80]!r} is not a bucket name.",
            hint="Bucket names have 3 to 63 lower-case letters, digits, dots and hyphens.",
        )


def check_prefix(prefix: str) -> None:
    """Checks a prefix of `bucket/key`: a bucket and a slash, and part of a key or nothing. Raises InvalidName."""
    bucket, _, path = prefix.partition("/")
    check_bucket(bucket)
    if path:
        check_key(path.removesuffix("/"))


def check_key(key: str, *, limit: int = MAX_KEY_BYTES) -> None:
    """Raises InvalidName unless every store and every URL can carry `key` unchanged."""
    if any(unicodedata.category(character) in _UNPRINTABLE for character in key):
        raise InvalidName("The name holds control characters or line breaks.")
    if not key.strip():
        raise InvalidName("The name is blank.")
    if len(key.encode()) > limit:
        raise InvalidName(f"The name is longer than {limit} bytes.")
    if any(part in ("", ".", "..") for part in key.split("/")):
        raise InvalidName(f"{key[:200]!r} has empty, '.' or '..' segments.")


def check_video_name(name: str) -> None:
    """Raises InvalidName unless `name` can name a video."""
    check_key(name, limit=MAX_VIDEO_NAME_BYTES)


def quote_path(path: str) -> str:
    """A path as part of an address, just as pages write it (JavaScript's encodeURIComponent, but for slashes).

    A browser uses a preloaded file only for a request with the same spelling.
    """
    return quote(path, safe="/!'()*-._~")


def stem(key: str) -> str:
    """The object's key without its extension, folders kept: `courses/intro.mp4` -> `courses/intro`."""
    folder, slash, name = key.rpartition("/")
    base, _, extension = name.rpartition(".")
    return folder + slash + (base if base.strip(".") and extension else name)


def extension(key: str) -> str:
    """The extension in small letters, without the dot: `courses/Intro.MP4` -> `mp4`; empty without one."""
    return key.removeprefix(stem(key)).removeprefix(".").lower()


def is_ours(component: str) -> bool:
    """Whether only this program writes such a component of a key in the VoD bucket."""
    is_hidden = component.startswith(".") and not component.endswith(_APART)
    return is_hidden or component in (COMMIT, PLAN) or REVISION.fullmatch(component) is not None


def kept_apart(path: str) -> str:
    """A user's path as it stands in the VoD bucket, with no component that could be one of ours.

    A component that could be ours gets a `~` behind it, and so does one that ends in such a `~` already, so that no two
    paths become the same. Any other path stays as it is.
    """
    return "/".join(part + _APART if is_ours(part.rstrip(_APART)) else part for part in path.split("/"))


def users_path(path: str) -> str:
    """The path that `kept_apart` made this one of."""
    parts = path.split("/")
    return "/".join(part[:-1] if part.endswith(_APART) and is_ours(part.rstrip(_APART)) else part for part in parts)


def video_names(asset: Asset) -> tuple[str, str]:
    """The names that this asset's video may have: its stem, and the one it gets when another asset has that name."""
    plain = stem(asset.key)
    digest = hashlib.sha256(str(asset).encode()).hexdigest()[:8]
    names = kept_apart(plain), kept_apart(f"{plain}-{digest}")
    for name in names:
        check_video_name(name)
    return names


def revision_id(asset: Asset, *, version: str, profile: str, planner: int) -> str:
    """12 hex digits for one version of the source, converted in one way; also the job's id."""
    digest = hashlib.sha256()
    for part in (asset.bucket, asset.key, version, profile, str(planner)):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)  # With lengths, no two lists give the same bytes.
    return digest.hexdigest()[:12]


def commit_key(video: str) -> str:
    return f"{video}/{COMMIT}"


def revision_commit_key(video: str, revision: str) -> str:
    """The commit of one revision, which makes the revision live, whether or not it is the main one."""
    return f"{video}/{revision}/{COMMIT}"


def kinds_prefix(video: str) -> str:
    return f"{video}/{_KINDS}/"


def kind_key(video: str, kind: str) -> str:
    """The object with the id of the live revision that serves requests for this kind of stream."""
    return f"{video}/{_KINDS}/{kind}"


def plan_key(video: str) -> str:
    """The newest plan of a video."""
    return f"{video}/{PLAN}"


def revision_prefix(video: str, revision: str) -> str:
    return f"{video}/{revision}/"


def revision_plan_key(video: str, revision: str) -> str:
    """The plan of one revision. Workers follow it, even when a newer plan exists."""
    return f"{video}/{revision}/{PLAN}"


def index_key(video: str, revision: str) -> str:
    """The sample index that was made for a source without one of its own."""
    return f"{video}/{revision}/{INDEX}"


def poster_key(video: str, revision: str) -> str:
    return f"{video}/{revision}/{POSTER}"


def storyboard_key(video: str, revision: str) -> str:
    """The WebVTT that names the sheets beside it. It is written last, so all sheets exist when it does."""
    return f"{video}/{revision}/{STORYBOARD}"


def sheet_name(number: int) -> str:
    return f"storyboard-{number:02d}.jpg"


def sheet_key(video: str, revision: str, number: int) -> str:
    """A sheet of the storyboard."""
    return f"{video}/{revision}/{sheet_name(number)}"


def poster_path(video: str, revision: str) -> str:
    """The path of a revision's poster at the VoD service."""
    return f"/video/{quote_path(video)}/{POSTER}?revision={revision}"


def storyboard_path(video: str, revision: str) -> str:
    """The path of a revision's storyboard at the VoD service."""
    return f"/video/{quote_path(video)}/{STORYBOARD}?revision={revision}"


def unfinished_key(revision: str) -> str:
    """The order of a conversion that has not ended: the conversion can go on from it when only the bucket is left."""
    return f"{UNFINISHED}{revision}.json"


def unfinished_revision(key: str) -> str | None:
    """The revision that `unfinished_key` gave this key; None for any other key."""
    return _revision_in(key, unfinished_key)


def replaced_key(revision: str) -> str:
    """The note that a revision was replaced, and may be removed once its signed URLs have run out."""
    return f"{REPLACED}{revision}.json"


def replaced_revision(key: str) -> str | None:
    """The revision that `replaced_key` gave this key; None for any other key."""
    return _revision_in(key, replaced_key)


def _revision_in(key: str, key_of: Callable[[str], str]) -> str | None:
    name = key.rpartition("/")[2].removesuffix(".json")
    return name if REVISION.fullmatch(name) and key == key_of(name) else None


def rung_name(side: int) -> str:
    """The rendition of a ladder's rung, by the shorter side of its picture. It is a group by itself."""
    return f"v{side}"


def group_of(rendition: str) -> str:
    """The group that a rendition is made with: '' for the base of its revision; a rung is a group by itself."""
    return rendition if RUNG.fullmatch(rendition) else ""


def job_id(revision: str, group: str) -> str:
    """The job that makes a group of a revision's renditions."""
    return f"{revision}-{group}" if group else revision


def revision_and_group(job: str) -> tuple[str, str]:
    """The revision and the group that a job makes."""
    revision, _, group = job.partition("-")
    return revision, group


def segment_name(number: int, extension: str) -> str:
    return f"{number:05d}.{extension}"


def segment_number(name: str) -> int | None:
    """The number in a name from `segment_name`; None for any other name, such as an initialization section's."""
    match = SEGMENT.fullmatch(name)
    return int(match[1]) if match else None


def segment_uri(revision: str, rendition: str, name: str) -> str:
    """A file of a rendition as the commit names it: relative to the video's folder."""
    return f"{revision}/{rendition}/{name}"


def segment_key(video: str, revision: str, rendition: str, name: str) -> str:
    return f"{video}/{segment_uri(revision, rendition, name)}"


def path_below(video: str, key: str) -> str | None:
    """`<revision>/<rendition>/<file>` of a video's segment or initialization section; None for any other key."""
    path = key.removeprefix(f"{video}/")
    parts = path.split("/")
    if path == key or len(parts) != 3:
        return None
    revision, rendition, name = parts
    is_file = name == INIT or SEGMENT.fullmatch(name)
    return path if REVISION.fullmatch(revision) and RENDITION.fullmatch(rendition) and is_file else None


def file_below(video: str, key: str) -> str | None:
    """The address of a file in another tool's tree, relative to that of its playlist; None where it can have none.

    It can have none where the address would be another route's, or where no address can carry the path.
    """
    path = key.removeprefix(f"{video}/")
    if path == key or FILES in path.split("/") or _OTHER_ADDRESS.search(f"/{path}"):
        return None
    try:
        check_key(path)
    except InvalidName:
        return None
    return f"{FILES}/{quote_path(path)}"


def revision_of(uri: str) -> str | None:
    """The revision that a relative URI of a commit belongs to; None for a tree that another tool made."""
    first = uri.partition("/")[0]
    return first if REVISION.fullmatch(first) and "/" in uri else None

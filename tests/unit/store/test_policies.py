"""The policies of the store's keys: each may do what its user does, and no more."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam import naming
from mam.naming import Asset
from mam.settings import Settings
from mam.store import policies

DOCUMENTATION = Path(__file__).resolve().parents[3] / "docs"
REVISION = "0123456789ab"
INTERNAL = {  # what only this program reads, by the function of mam/naming.py that names it
    "index_key": naming.index_key("a/film", REVISION),
    "kind_key": naming.kind_key("a/film", "auto.fmp4"),
    "plan_key": naming.plan_key("a/film"),
    "replaced_key": naming.replaced_key(REVISION),
    "revision_plan_key": naming.revision_plan_key("a/film", REVISION),
    "unfinished_key": naming.unfinished_key(REVISION),
}
HLS = {
    "commit_key": naming.commit_key("a/film"),
    "poster_key": naming.poster_key("a/film", REVISION),
    "revision_commit_key": naming.revision_commit_key("a/film", REVISION),
    "segment_key": naming.segment_key("a/film", REVISION, "v720", "00017.m4s"),
    "sheet_key": naming.sheet_key("a/film", REVISION, 1),
    "storyboard_key": naming.storyboard_key("a/film", REVISION),
}


def settings(**more: Any) -> Settings:
    given = {"transcode_api_key": "the key of the tests is no secret", "minio_usr": "worker", **more}
    return Settings(_env_file=None, **given)


PLAY = {"minio_play_usr": "player", "minio_play_pwd": "p"}
UPLOADS = {"minio_upload_bucket": "films", "minio_upload_usr": "uploader", "minio_upload_pwd": "u"}


def allows(policy: policies.Policy, action: str, resource: str) -> bool:
    """As a store decides: what no statement allows is refused, and so is what one denies."""
    effects = {
        statement["Effect"]
        for statement in policy["Statement"]
        if any(fnmatchcase(action, pattern) for pattern in statement["Action"])
        and any(fnmatchcase(f"arn:aws:s3:::{resource}", pattern) for pattern in statement.get("Resource", "*"))
    }
    return effects == {"Allow"}


@pytest.mark.parametrize("key", HLS.values(), ids=HLS)
def test_the_play_key_reads_hls(key: str) -> None:
    assert allows(policies.play("vod"), "s3:GetObject", f"vod/{key}")


@pytest.mark.parametrize("key", INTERNAL.values(), ids=INTERNAL)
def test_the_play_key_reads_nothing_that_this_program_alone_reads(key: str) -> None:
    assert not allows(policies.play("vod"), "s3:GetObject", f"vod/{key}")


@pytest.mark.parametrize("key", [".shares.json", ".assets/films/a.mp4.json"])
def test_json_of_any_other_kind_is_not_for_players_either(key: str) -> None:
    assert not allows(policies.play("vod"), "s3:GetObject", f"vod/{key}")


def test_every_object_of_the_vod_bucket_is_hls_or_is_not() -> None:
    """A new kind of object takes a decision: may a viewer read it?"""
    named = {name for name in vars(naming) if name.endswith("_key")} - {"check_key"}
    assert named == INTERNAL.keys() | HLS.keys()


names = st.lists(
    st.sampled_from([".kinds", "plan.json", "samples.npz", ".unfinished", "a.json", "ü", "film", "~"]), min_size=1
).map("/".join)


@given(names)
def test_whatever_a_video_is_called_its_segments_are_played_and_its_plan_is_not(name: str) -> None:
    for video in naming.video_names(Asset("films", f"{name}.mp4")):
        segment = naming.segment_key(video, REVISION, "v720", "00000.ts")
        assert allows(policies.play("vod"), "s3:GetObject", f"vod/{segment}")
        assert not allows(policies.play("vod"), "s3:GetObject", f"vod/{naming.plan_key(video)}")


@pytest.mark.parametrize("action", ["s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:GetObjectVersion"])
def test_the_play_key_does_nothing_but_read(action: str) -> None:
    assert not allows(policies.play("vod"), action, "vod/a/index.m3u8")
    assert not allows(policies.play("vod"), action, "vod")
    assert not allows(policies.play("vod"), "s3:GetObject", "films/a.mp4")


def test_the_work_key_reads_the_sources_and_writes_the_vod_bucket_alone() -> None:
    work = policies.work(settings(minio_source_buckets=["films", "talks"], **UPLOADS, minio_upload_prefix="in"))
    for bucket in ("films", "talks", "vod"):
        assert allows(work, "s3:GetObject", f"{bucket}/a")
        assert allows(work, "s3:ListBucket", bucket)
        assert allows(work, "s3:PutObject", f"{bucket}/a") == (bucket == "vod")
    assert [
        key for key in ("vod/a", "films/in/a", "films/a", "talks/in/a") if allows(work, "s3:DeleteObject", key)
    ] == [
        "vod/a",
        "films/in/a",
    ]
    for action, resource in (("s3:GetObject", "other/a"), ("s3:ListBucket", "other"), ("s3:CreateBucket", "vod")):
        assert not allows(work, action, resource)


def test_without_a_list_of_sources_the_work_key_reads_any_bucket_and_still_writes_one() -> None:
    work = policies.work(settings())
    assert allows(work, "s3:GetObject", "other/a")
    assert allows(work, "s3:ListAllMyBuckets", "*")
    assert not allows(work, "s3:PutObject", "other/a")
    assert not allows(work, "s3:DeleteObject", "other/a")


def test_the_upload_key_reads_nothing_and_stays_below_the_prefix() -> None:
    put, look = policies.upload("in", "a/")["Statement"]
    assert put["Resource"] == ["arn:aws:s3:::in/a/*"]
    assert look["Resource"] == ["arn:aws:s3:::in"]
    actions = {*put["Action"], *look["Action"]}
    assert not {action for action in actions if re.search(r"Get|Delete|\*|ListBucket$|Tagging|Acl", action)}


def test_each_user_that_the_settings_name_has_a_policy_with_a_name() -> None:
    everything = settings(minio_source_buckets=["films"], **PLAY, **UPLOADS)
    assert [*policies.by_user(everything)] == ["worker", "player", "uploader"]
    assert policies.names(everything) == {
        "worker": "mam-work-vod",
        "player": "mam-play-vod",
        "uploader": "mam-upload-films",
    }
    assert [*policies.by_user(settings())] == ["worker"] == [*policies.names(settings())]


def test_no_user_administers_minio() -> None:
    denied = policies.without_administration(policies.play("vod"))["Statement"][-1]
    assert denied == {"Effect": "Deny", "Action": ["admin:*"]}


@pytest.mark.parametrize(
    ("page", "policy"), [("uploads.md", policies.upload("myvideos")), ("access.md", policies.play("vod"))]
)
def test_the_documentation_shows_the_policy(page: str, policy: policies.Policy) -> None:
    shown = re.findall(r"```json\n(.*?)```", (DOCUMENTATION / page).read_text("utf-8"), re.DOTALL)
    assert policy in [json.loads(each) for each in shown]

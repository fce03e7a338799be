"""The upload key's policy: the one that the documentation shows, and one that reads nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mam.store.upload_key import policy

DOCUMENTATION = Path(__file__).resolve().parents[3] / "docs/uploads.md"


def test_the_documentation_shows_the_policy() -> None:
    shown = re.search(r"```json\n(.*?)```", DOCUMENTATION.read_text("utf-8"), re.DOTALL)
    assert shown
    assert json.loads(shown[1]) == policy("myvideos")


def test_the_policy_reads_nothing_and_stays_below_the_prefix() -> None:
    put, look = policy("in", "a/")["Statement"]
    assert put["Resource"] == ["arn:aws:s3:::in/a/*"]
    assert look["Resource"] == ["arn:aws:s3:::in"]
    actions = {*put["Action"], *look["Action"]}
    assert not {action for action in actions if re.search(r"Get|Delete|\*|ListBucket$|Tagging|Acl", action)}

"""API keys as values: which files of them are understood, and what a key permits."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.credentials import command, delegation
from mam.credentials.api_keys import (
    KEY_PREFIX,
    KeyRecord,
    digest_of,
    master_keys,
    new_key,
    read_keys,
    read_records,
    written,
)
from mam.credentials.arguments import add_arguments
from mam.credentials.scopes import Caller, NotPermitted, Scope
from mam.errors import Forbidden

DOCS = Path(__file__).resolve().parents[3] / "docs" / "access.md"
SHA = "a" * 64
GOOD: dict[str, Any] = {"id": "ci", "sha256": SHA, "scopes": ["read"]}

scopes = st.frozensets(st.sampled_from(Scope), min_size=1)
prefixes = st.lists(st.sampled_from(["films/", "films/a/", "films/a/b.mp4", "other/"]), min_size=1, max_size=3)


@given(
    st.lists(
        st.builds(
            KeyRecord,
            id=st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True).filter(
                lambda name: name != "service" and not name.startswith("master-")
            ),
            sha256=st.from_regex("[0-9a-f]{64}", fullmatch=True),
            scopes=scopes.map(list),
            prefixes=st.none() | prefixes,
            expires=st.none() | st.just("2030-01-31T12:00:00Z"),
            rate=st.integers(0, 1000),
        ),
        max_size=4,
        unique_by=(lambda record: record.id, lambda record: record.sha256),
    )
)
def test_what_is_written_is_read_again(records: list[KeyRecord]) -> None:
    again = read_records(written(records))
    assert [record.key for record in again] == [record.key for record in records]
    assert list(read_keys(written(records)).values()) == [record.key for record in records]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([GOOD, GOOD], "key 2: another one"),
        ([GOOD | {"id": "b"}, GOOD], "key 2: another one"),
        ([GOOD | {"scopes": []}], "key 1: scopes"),
        ([GOOD | {"scopes": ["everything"]}], "key 1: scopes.0"),
        ([GOOD | {"sha256": "the key itself"}], "key 1: sha256"),
        ([GOOD | {"id": "A b"}], "key 1: id"),
        ([GOOD | {"id": "service"}], "one of the program's own"),
        ([GOOD | {"id": "master-1"}], "one of the program's own"),
        ([GOOD | {"prefixes": ["films"]}], "needs a bucket and a slash"),
        ([GOOD | {"prefixes": ["films/../x"]}], "key 1: prefixes.0"),
        ([GOOD | {"prefixes": []}], "key 1: prefixes"),
        ([GOOD | {"prefixes": [f"films/{'a' * 600}", f"films/{'b' * 600}"]}], "more than 1000 bytes"),
        ([GOOD | {"expires": "soon"}], "key 1: expires"),
        ([GOOD | {"rate": -1}], "key 1: rate"),
        ([GOOD | {"key": "a key"}], "key 1: key"),
        (["a key"], "key 1"),
        ({}, "a list of at most"),
    ],
)
def test_a_file_with_a_fault_is_refused_in_words(keys: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        read_keys(json.dumps({"keys": keys}))


@pytest.mark.parametrize("text", ["", "[]", "null", '{"keys"', "{}", "[" * 100_000])
def test_another_text_is_no_file_of_keys(text: str) -> None:
    with pytest.raises(ValueError, match="must be JSON of the form"):
        read_keys(text)


@given(scopes, st.sampled_from(Scope))
def test_a_caller_may_do_what_its_scopes_name(held: frozenset[Scope], asked: Scope) -> None:
    caller = Caller("x", held)
    assert caller.may(asked) == (asked in held or Scope.ADMIN in held)
    if not caller.may(asked):
        with pytest.raises(NotPermitted, match=asked.value):
            caller.check(asked)


@given(prefixes, st.sampled_from(["films/a/b.mp4", "films/a/c.mp4", "films/ab.mp4", "other/a.mp4", "third/a.mp4"]))
def test_a_caller_covers_what_begins_with_one_of_its_prefixes(own: list[str], source: str) -> None:
    caller = Caller("x", prefixes=tuple(own))
    assert caller.covers(source) == any(source.startswith(prefix) for prefix in own)
    assert caller.is_restricted
    assert Caller("x").covers(source)


@given(st.builds(Caller, st.text(), scopes, prefixes.map(tuple), st.text()))
def test_the_other_service_reads_the_caller_that_was_named(caller: Caller) -> None:
    assert delegation.read(delegation.written(caller)) == caller
    assert delegation.written(caller).isascii()


@given(st.text())
def test_anything_else_names_no_caller(text: str) -> None:
    if text == delegation.NOBODY:
        return
    with pytest.raises(Forbidden):
        delegation.read(text)


def test_the_keys_of_the_setting_have_names_that_give_nothing_away() -> None:
    found = master_keys(["one secret", "another secret"])
    assert len({key.id for key in found.values()}) == 2
    assert all(re.fullmatch("master-[0-9a-f]{6}", key.id) for key in found.values())


def test_a_new_key_is_long_and_has_the_prefix_that_scanners_look_for() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith(KEY_PREFIX) and len(key) >= 40 for key in keys)


def test_the_documentation_names_every_scope() -> None:
    table = re.findall(
        r"^\| `([a-z]+)` \|", DOCS.read_text("utf-8").partition("| scope |")[2].partition("\n\n")[0], re.M
    )
    assert table == [scope.value for scope in Scope]


# the command


def run(file: Path, *arguments: str) -> str:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return command.run(parser.parse_args(["--file", str(file), *arguments]))


def test_a_key_is_printed_once_listed_without_its_text_and_removed(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    printed = run(
        file, "add", "ci", "--scopes", "convert,read", "--prefixes", "films/", "--expires", "90d", "--rate", "60"
    )
    key = printed.split()[0]
    assert list(read_keys(file.read_text())) == [digest_of(key)]
    assert key not in file.read_text()
    listed = run(file, "list")
    assert re.fullmatch(r"ci  read,convert  for films/  until \S+  60 requests a minute", listed)
    run(file, "add", "other", "--scopes", "read")
    assert "ci" in run(file, "remove", "ci")
    assert [record.id for record in read_records(file.read_text())] == ["other"]
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "ci", "--scopes", "all"), "scopes"),
        (("add", "ci", "--scopes", ""), "scopes"),
        (("add", "C I", "--scopes", "read"), "id"),
        (("add", "ci", "--scopes", "read", "--expires", "soon"), "expires"),
        (("add", "ci", "--scopes", "read", "--prefixes", "films"), "needs a bucket"),
        (("add", "taken", "--scopes", "read"), "already"),
        (("remove", "ci"), "No key has the id"),
    ],
)
def test_a_mistake_is_explained_and_changes_nothing(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    file = tmp_path / "keys.json"
    run(file, "add", "taken", "--scopes", "read")
    before = file.read_text()
    with pytest.raises(ValueError, match=words):
        run(file, *arguments)
    assert file.read_text() == before


def test_without_a_file_the_command_says_which_setting_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("API_KEYS_FILE", raising=False)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(ValueError, match="API_KEYS_FILE is not set"):
        command.run(parser.parse_args(["list"]))
    monkeypatch.setenv("API_KEYS_FILE", str(tmp_path / "none.json"))
    assert command.run(parser.parse_args(["list"])) == "There are no keys."

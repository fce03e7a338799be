"""The catalogue: pages joined are the whole in order, whatever comes and goes; folders, words, states."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.errors import InvalidRequest
from mam.library.catalogue import FEW, Catalogue, Query
from mam.library.entries import SORTS, Entry
from mam.library.status import FOREIGN, AssetStatus
from mam.library.videos import Listed, is_video, mark
from mam.library.views import AssetView

names = st.text("aAbÄé 0129", min_size=1, max_size=3)
keys = st.lists(names, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".mp4")
objects = st.builds(
    Listed, st.sampled_from(["films", "talks"]), keys, st.integers(0, 3), st.integers(0, 3), st.integers(1, 2)
)
listings = st.lists(objects, max_size=30, unique_by=lambda one: (one.bucket, one.key))
records = st.builds(
    AssetStatus,
    video=st.just("v"),
    live=st.sampled_from(["", "0123456789ab"]),
    stage=st.sampled_from(["", "making", "failed"]),
    duration=st.none() | st.floats(0, 100),
)
queries = st.builds(
    Query.of,
    bucket=st.sampled_from(["", "films"]),
    folder=st.sampled_from(["", "a", "a/b"]),
    q=st.sampled_from(["", "a", "A e", "ä", "1 b"]),
    state=st.sampled_from(["", "new", "live", "making"]),
    sort=st.sampled_from(list(SORTS)),
)


def listed(key: str, bucket: str = "films", *, size: int = 1, modified: int = 1, version: str = "a") -> Listed:
    return Listed(bucket, key, size, modified, mark(version))


def catalogue(*keys: str) -> Catalogue:
    made = Catalogue()
    made.change(map(listed, keys))
    return made


def pages(made: Catalogue, query: Query, *, limit: int) -> list[list[Entry]]:
    page = made.page(query, limit=limit)
    found = [page.entries]
    while page.cursor:
        page = made.page(query, limit=limit, cursor=page.cursor)
        found.append(page.entries)
    return found


def places(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.bucket, entry.key) for entry in entries]


def keys_of(made: Catalogue, **query: Any) -> list[str]:
    return [entry.key for entry in made.page(Query.of(**query), limit=200).entries]


@given(listings, st.lists(records, max_size=30), queries, st.integers(1, 7))
def test_pages_joined_are_the_whole_in_order(
    there: list[Listed], known: list[AssetStatus], query: Query, limit: int
) -> None:
    made = Catalogue()
    made.change(there)
    made.know({(one.bucket, one.key): record for one, record in zip(there, known)})  # noqa: B905
    whole = made.page(query, limit=200)
    assert whole.cursor is None
    assert len(whole.entries) == whole.total
    sort = SORTS[query.sort]
    assert whole.entries == sorted(whole.entries, key=sort.key, reverse=sort.is_reversed)
    assert [entry for page in pages(made, query, limit=limit) for entry in page] == whole.entries


@given(listings, listings, listings, queries, st.integers(1, 4))
def test_what_stays_is_shown_once_though_others_come_and_go_between_pages(
    there: list[Listed], coming: list[Listed], going: list[Listed], query: Query, limit: int
) -> None:
    made = Catalogue()
    made.change(there)
    changed = {(one.bucket, one.key) for one in (*coming, *going)}
    stays = [place for place in places(made.page(query, limit=200).entries) if place not in changed]
    page = made.page(query, limit=limit)
    found = places(page.entries)
    turn = 0
    while page.cursor:
        made.change(coming[turn::3], [(one.bucket, one.key) for one in going[turn::3]])
        turn = min(turn + 1, 3)
        page = made.page(query, limit=limit, cursor=page.cursor)
        found += places(page.entries)
    assert [place for place in found if place in set(stays)] == stays


@given(listings, listings, queries)
def test_changes_one_by_one_make_the_same_as_all_at_once(
    before: list[Listed], after: list[Listed], query: Query
) -> None:
    made, anew = Catalogue(), Catalogue()
    made.change(before)
    made.prepare()
    made.page(query, limit=200)
    made.replace(after)
    anew.change(after)
    assert made.listed() == anew.listed()
    mine, other = made.page(query, limit=200), anew.page(query, limit=200)
    assert (places(mine.entries), mine.folders, mine.total) == (places(other.entries), other.folders, other.total)


@given(listings)
def test_folders_count_what_lies_below_them(there: list[Listed]) -> None:
    made = Catalogue()
    made.change(there)
    for folder in made.page(Query.of(bucket="films"), limit=200).folders:
        below = [one for one in there if one.bucket == "films" and one.key.startswith(folder.path)]
        assert folder.assets == len(below) > 0


def test_many_changes_at_once_keep_the_order() -> None:
    made = catalogue("b.mp4")
    made.prepare()
    made.change(listed(f"{number}.mp4") for number in range(FEW + 1))
    assert keys_of(made)[:3] == ["0.mp4", "1.mp4", "2.mp4"]
    assert keys_of(made, sort="-name")[0] == "b.mp4"


def test_numbers_are_sorted_as_numbers_and_case_and_accents_do_not_matter() -> None:
    made = catalogue("Folge 10.mp4", "folge 2.mp4", "Äpfel.mp4", "zoo.mp4", "Birnen.mp4")
    assert keys_of(made) == ["Äpfel.mp4", "Birnen.mp4", "folge 2.mp4", "Folge 10.mp4", "zoo.mp4"]


def test_words_are_found_anywhere_in_the_key() -> None:
    made = catalogue("Kurse/Übung 1.mp4", "kurse/b.mp4", "STRASSE.mp4", "straße.mp4")
    assert keys_of(made, q="uBung KURS") == ["Kurse/Übung 1.mp4"]
    assert keys_of(made, q="kurse/") == ["kurse/b.mp4", "Kurse/Übung 1.mp4"]
    assert sorted(keys_of(made, q="strasse")) == ["STRASSE.mp4", "straße.mp4"]
    assert keys_of(made, q="nowhere") == []
    assert keys_of(made, q="kurs", folder="kurse") == ["kurse/b.mp4"]


def test_several_buckets_are_folders_and_one_is_its_content() -> None:
    made = catalogue("a.mp4", "x/b.mp4")
    assert [folder.path for folder in made.page(Query.of(), limit=9).folders] == ["x/"]
    made.change([listed("c.mp4", "talks")])
    found = made.page(Query.of(), limit=9)
    assert [(folder.name, folder.path, folder.assets) for folder in found.folders] == [
        ("films", "", 2),
        ("talks", "", 1),
    ]
    assert places(found.entries) == []  # they are in the buckets
    inner = made.page(Query.of(bucket="films", folder="/x/"), limit=9)
    assert places(inner.entries) == [("films", "x/b.mp4")]
    made.change([], [("films", "x/b.mp4")])
    assert made.page(Query.of(bucket="films"), limit=9).folders == []


def test_what_is_not_known_of_an_asset_has_no_duration_and_comes_last() -> None:
    made = catalogue("a.mp4", "b.mp4", "c.mp4")
    made.know(
        {
            ("films", "b.mp4"): AssetStatus(live="1", duration=9.0),
            ("films", "c.mp4"): AssetStatus(live="1", duration=3.0),
        }
    )
    assert keys_of(made, sort="duration") == ["c.mp4", "b.mp4", "a.mp4"]
    assert keys_of(made, sort="-duration") == ["b.mp4", "c.mp4", "a.mp4"]


def test_what_failed_is_new_again_when_it_is_another_version() -> None:
    made = catalogue("a.mp4")
    made.know({("films", "a.mp4"): AssetStatus(job="1", stage="failed", version="a")})
    assert keys_of(made, state="failed") == ["a.mp4"]
    made.change([listed("a.mp4", version="b")])
    assert keys_of(made, state="failed") == []
    assert keys_of(made, state="new") == ["a.mp4"]


def test_what_is_live_stays_live_when_it_is_another_version() -> None:
    made = catalogue("a.mp4")
    made.know({("films", "a.mp4"): AssetStatus(live="1", version="a")})
    made.change([listed("a.mp4", version="b")])
    assert keys_of(made, state="live") == ["a.mp4"]


def test_what_is_known_before_it_is_listed_shows_when_it_is() -> None:
    made = Catalogue()
    made.know({("films", "a.mp4"): AssetStatus(live="1")})
    made.change([listed("a.mp4")])
    assert keys_of(made, state="live") == ["a.mp4"]
    made.know_only({})
    assert keys_of(made, state="live") == []


def test_a_tree_of_another_tool_is_that_of_all_assets_of_its_name() -> None:
    made = catalogue("x/a.mp4", "x/a.mov", "x/ab.mp4")
    made.know({("", "x/a"): AssetStatus(video="x/a", live=FOREIGN)})
    made.change([listed("x/a.m4v")])
    assert sorted(keys_of(made, state="live")) == ["x/a.m4v", "x/a.mov", "x/a.mp4"]
    made.know({("", "x/a"): None})
    assert keys_of(made, state="live") == []


@pytest.mark.parametrize(
    "cursor", ["x", "ÿ", "bnVsbA", "WzFd", "WyJuYW1lIiwxLDIsM10", "WyJzaXplIiwxLCJhIiwiYiJd", "eyI"]
)
def test_a_cursor_that_was_not_given_out_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        catalogue("a.mp4").page(Query.of(), limit=1, cursor=cursor)


@pytest.mark.parametrize(
    ("key", "shown"),
    [("a.mp4", True), ("x/A.MOV", True), ("a.txt", False), ("mp4", False), (".mp4", False), ("a//b.mp4", False),
     ("/a.mp4", False), ("a/../b.mp4", False), ("a\n.mp4", False), ("x/.hidden.mp4", True), ("mp4/", False)],
)  # fmt: skip
def test_videos_are_known_by_their_names(key: str, shown: bool) -> None:
    assert is_video(key) is shown


@given(listings)
def test_nothing_is_shown_twice_where_one_begins(there: list[Listed]) -> None:
    made = Catalogue(["films", "talks"])
    made.change(there)
    top = made.page(Query(), limit=200)
    assert (top.entries, top.total, top.cursor) == ([], 0, None)  # the videos lie in the buckets, which are shown
    assert {folder.bucket: folder.assets for folder in top.folders} == {
        bucket: sum(one.bucket == bucket for one in there) for bucket in ("films", "talks")
    }


@given(listings, st.lists(records, max_size=30))
def test_what_is_empty_has_failed_and_says_why_unless_something_plays(
    there: list[Listed], known: list[AssetStatus]
) -> None:
    made = Catalogue()
    made.change(there)
    made.know({(one.bucket, one.key): record for one, record in zip(there, known)})  # noqa: B905
    for one in there:
        entry = made.get(one.bucket, one.key)
        assert entry
        if not one.size and entry.known.state not in ("live", "making"):
            view = AssetView.of(entry)
            assert view.state == "failed"
            assert view.error
            assert entry in made.page(Query(state="failed"), limit=200).entries

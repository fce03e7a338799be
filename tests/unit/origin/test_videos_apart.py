"""One video never touches another's objects, whatever the two are called."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mam import naming
from mam.hls import multivariant
from mam.hls.plan import Plan
from mam.hls.recipe import Profile
from mam.naming import Asset
from mam.origin.revisions import Replaced, Revisions
from mam.origin.tree import Trees
from tests.unit.hls.plans import every, plan_of
from tests.unit.origin.memory import MemoryStore

VOD = "vod"
REVISIONS = ["0123456789ab", "202611291613", "ffffffffffff"]
# What the program itself writes, and what stands beside it.
OURS = [
    *REVISIONS, "index.m3u8", "plan.json", "poster.jpg", "storyboard.vtt", "samples.npz", "init.mp4", "00000.ts",
    "source", "audio-0", ".kinds", ".unfinished", ".replaced", ".assets", ".",
]  # fmt: skip
NAMES = ["films", "a", "~", "a~", "~~", ".hidden"]
PARTS = st.builds(
    lambda part, tildes: part + "~" * tildes, st.sampled_from(OURS + NAMES), st.sampled_from([0, 0, 1, 2])
)
PATHS = st.lists(PARTS.filter(lambda part: part not in (".", "..")), min_size=1, max_size=4).map("/".join)
KEYS = st.builds(str.__add__, PATHS, st.sampled_from([".mp4", ".mov", ""]))
ASSETS = st.builds(Asset, st.sampled_from(["abc", "abd"]), KEYS)


@given(PATHS, PATHS)
@example("x", "x~")
@example("plan.json", "plan.json~")
@example(".a~", ".a")
def test_no_two_paths_are_kept_apart_as_the_same(one: str, other: str) -> None:
    assert (naming.kept_apart(one) == naming.kept_apart(other)) == (one == other)


@given(PATHS)
def test_no_component_that_is_kept_apart_is_one_of_ours(path: str) -> None:
    assert not any(naming.is_ours(part) for part in naming.kept_apart(path).split("/"))


@given(st.lists(st.sampled_from([name for name in NAMES if not name.startswith(".")]), min_size=1).map("/".join))
def test_any_other_path_stays_as_it_is(path: str) -> None:
    assert naming.kept_apart(path) == path


@given(ASSETS, ASSETS)
@settings(max_examples=500)
def test_no_key_of_ours_lies_among_those_of_another_video(one: Asset, other: Asset) -> None:
    """Whatever a video is called: no other is called like one of its files, or lies below its revisions."""
    for video in naming.video_names(one):
        own = [
            naming.commit_key(video), naming.plan_key(video), naming.kind_key(video, "auto"),
            *(naming.revision_prefix(video, revision).rstrip("/") for revision in REVISIONS),
        ]  # fmt: skip
        for name in naming.video_names(other):
            assert not any(name == key or name.startswith(f"{key}/") for key in own)


class House:
    """Videos converted, deleted and replaced by the program's own steps, and names claimed as Redis does it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.revisions, self.trees = Revisions(self.store, VOD), Trees(self.store, VOD)
        self.names: dict[str, Asset] = {}

    def name(self, asset: Asset) -> str | None:
        for name in naming.video_names(asset):
            if self.names.setdefault(name, asset) == asset:
                return name
        return None

    def convert(self, asset: Asset, version: str, profile: Profile) -> None:
        video = self.name(asset)
        if video is None:
            return
        plan = planned(asset, video, version, profile)
        for key in (naming.plan_key(video), naming.revision_plan_key(video, plan.revision)):
            self.store.put(VOD, key, plan.to_json(), "")
        for number in range(len(plan.timeline)):
            for file in plan.files(number):
                mark = f"{asset} {version} {profile} {file}".encode()
                self.store.put(VOD, naming.revision_prefix(video, plan.revision) + file, mark, "")
        for picture in (naming.poster_key, naming.storyboard_key, naming.index_key):
            self.store.put(VOD, picture(video, plan.revision), str(asset).encode(), "")
        rendition = plan.renditions[0]
        self.revisions.publish(plan, multivariant.media_playlist(plan, rendition, f"{rendition.name}/"), is_main=True)
        for idle in self.revisions.idle(video):
            self.revisions.note_replaced(Replaced(video, idle.revision, 0))
        self.revisions.remove_expired(1, {})

    def delete(self, asset: Asset) -> None:
        remains = self.trees.remains(asset)
        if remains:
            self.trees.delete(*remains)

    def own(self, asset: Asset) -> dict[str, bytes]:
        """What requests for an asset are served from."""
        tree = self.trees.by_asset(asset)
        if tree is None or tree.plan is None:
            return {}
        files = {f"{tree.name}/{line}" for line in tree.text.splitlines() if line and not line.startswith("#")}
        keys = {naming.commit_key(tree.name), naming.revision_plan_key(tree.name, tree.plan.revision), *files}
        return {key: self.store.objects[key] for key in keys}


def planned(asset: Asset, video: str, version: str, profile: Profile) -> Plan:
    plan = plan_of(every(6, 3))
    source = plan.source.model_copy(update={"bucket": asset.bucket, "key": asset.key, "version": version})
    revision = naming.revision_id(asset, version=version, profile=profile.value, planner=1)
    return plan.model_copy(update={"video": video, "revision": revision, "source": source, "profile": profile})


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["convert", "convert", "delete"]),
        st.sampled_from(["v1", "v2"]),
        st.sampled_from([Profile.SOURCE, Profile.H264]),
    ),
    min_size=3,
    max_size=12,
)


@given(st.lists(ASSETS, min_size=2, max_size=3, unique=True), STEPS)
@settings(max_examples=400, deadline=None)
def test_whatever_happens_to_one_video_leaves_the_others_as_they_are(
    assets: list[Asset], steps: list[tuple[int, str, str, Profile]]
) -> None:
    house = House()
    for which, what, version, profile in steps:
        asset = assets[which % len(assets)]
        others = [other for other in assets if other != asset]
        before = [house.own(other) for other in others]
        if what == "delete":
            house.delete(asset)
        else:
            house.convert(asset, version, profile)
        assert [house.own(other) for other in others] == before
        if what == "convert" and house.name(asset):
            assert house.own(asset)


@given(st.sampled_from(["films", "cam1", "a/b"]), st.sampled_from(REVISIONS), STEPS)
@settings(max_examples=100, deadline=None)
def test_a_video_that_an_earlier_version_called_like_a_revision_is_left_alone(
    outer: str, name: str, steps: list[tuple[int, str, str, Profile]]
) -> None:
    """Its folder looks like a revision of the video that it lies in; its own plan says that it is none."""
    house = House()
    nested, asset = Asset("abc", f"{outer}/{name}.mp4"), Asset("abc", f"{outer}.mp4")
    house.names[f"{outer}/{name}"] = nested
    old = planned(nested, f"{outer}/{name}", "v1", Profile.SOURCE)
    for key, data in {
        naming.plan_key(old.video): old.to_json(),
        naming.commit_key(old.video): b"#EXTM3U\n#EXTINF:6,\nabcdef012345/source/00000.ts\n",
        f"{old.video}/abcdef012345/source/00000.ts": b"media",
        f"{old.video}/abcdef012345/plan.json": old.model_copy(update={"revision": "abcdef012345"}).to_json(),
    }.items():
        house.store.put(VOD, key, data, "")
    before = {key: data for key, data in house.store.objects.items() if key.startswith(f"{old.video}/")}
    for _, what, version, profile in steps:
        if what == "delete":
            house.delete(asset)
        else:
            house.convert(asset, version, profile)
        assert {key: house.store.objects.get(key) for key in before} == before

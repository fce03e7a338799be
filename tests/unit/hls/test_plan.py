"""Plans: what is read from `plan.json` is what was written, and the chunks are all of it, once."""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.errors import InvalidPlan
from mam.hls.plan import ENCODE_CHUNK_SECONDS, OPENING_SEGMENTS, REMUX_CHUNK_SEGMENTS, Chunk, Plan
from mam.hls.timeline import Timeline
from tests.unit.hls.plans import every, plan_of, plans
from tests.unit.hls.test_timeline import timelines


@given(plans())
def test_a_plan_is_read_back_as_it_was_written(plan: Plan) -> None:
    assert plan == Plan.from_json(plan.to_json())


@given(plans())
def test_a_plan_is_one_line_of_json(plan: Plan) -> None:
    assert b"\n" not in plan.to_json()
    assert isinstance(json.loads(plan.to_json()), dict)


WRITTEN = (  # By the version before outputs had ids.
    '{"planner":4,"video":"film","revision":"0123456789ab","source":{"bucket":"films","key":"film.mp4",'
    '"version":"1","etag":null,"size":1,"sidecars":[]},"profile":"h264","format":"ts","stored_index":false,'
    '"recoded":false,"streams":[],"notes":[],"renditions":[{"name":"source","video":{"track":0,"codec":"h264",'
    '"action":"encode","reason":"","codecs":"","width":64,"height":48,"frame_rate":25.0,"video_range":"SDR",'
    '"interlaced":false,"grid":null,"phase":0,"first":null,"refreshes":false,"group_seconds":0.0,'
    '"filters":["scale=w=64:h=48:out_range=limited","setsar=sar=1","format=pix_fmts=yuv420p"],"resized":false,'
    '"preset":"veryfast","crf":23,"level":"3.0"},"audio":null,"subtitles":null,"language":"","title":"",'
    '"default":false,"forced":false,"characteristics":"","bandwidth":0,"average_bandwidth":0}],'
    '"timeline":{"timescale":1000,"boundaries":[0,6000,12000]},"frames":[]}'
)


def test_plans_are_written_as_they_always_were_with_more_at_most() -> None:
    assert is_within(json.loads(WRITTEN), json.loads(plan_of(every(6, 2), encode=True).to_json()))
    assert Plan.from_json(WRITTEN.encode()) == plan_of(every(6, 2), encode=True)


def is_within(old: Any, new: Any) -> bool:
    """Whether every field of the old JSON is in the new one, with the same value."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(name in new and is_within(old[name], new[name]) for name in old)
    if isinstance(old, list):
        return len(old) == len(new) and all(map(is_within, old, new))
    return bool(old == new)


@given(plans())
def test_every_output_has_an_id_of_its_own_whatever_tracks_they_are_made_of(plan: Plan) -> None:
    outputs = [(r.name, kind) for r in plan.renditions for kind in ("video", "audio") if getattr(r, kind)]
    assert list(plan.outputs) == outputs
    assert list(plan.outputs.values()) == [getattr(plan.named(name), kind) for name, kind in outputs]


@given(st.binary(max_size=50))
def test_bytes_that_are_no_plan_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidPlan):
        Plan.from_json(data)


@pytest.mark.parametrize(
    "garbage", [b"", b"{}", b"[]", b"null", b"1", b"\xff", b'{"video":', b"\xef\xbb\xbf{}", b"{" * 100_000]
)
def test_json_that_is_no_plan_is_refused(garbage: bytes) -> None:
    with pytest.raises(InvalidPlan):
        Plan.from_json(garbage)


@given(plans(), st.data())
def test_a_plan_without_one_of_its_required_fields_is_refused(plan: Plan, data: st.DataObject) -> None:
    fields = json.loads(plan.to_json())
    del fields[data.draw(st.sampled_from(("video", "revision", "source", "profile", "renditions", "timeline")))]
    with pytest.raises(InvalidPlan):
        Plan.from_json(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("profile", "cinema"),
        ("timeline", {"timescale": 0, "boundaries": [0, 1]}),
        ("timeline", {"timescale": 1, "boundaries": [0]}),
        ("timeline", {"timescale": 1, "boundaries": [0, 1, 1]}),
        ("source", {"bucket": "b", "key": "k", "version": "1", "size": -1}),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(field: str, value: object) -> None:
    fields = json.loads(plan_of(every(6, 2)).to_json())
    fields[field] = value
    with pytest.raises(InvalidPlan):
        Plan.from_json(json.dumps(fields).encode())


@given(plans())
def test_the_chunks_of_a_plan_are_all_of_its_segments_once_and_in_order(plan: Plan) -> None:
    assert list(range(len(plan.timeline))) == list(chain.from_iterable(plan.chunks()))


@given(plans())
def test_no_chunk_is_empty(plan: Plan) -> None:
    assert all(len(chunk) == len(list(chunk)) > 0 for chunk in plan.chunks())


@given(plans())
def test_the_first_chunk_is_the_opening(plan: Plan) -> None:
    assert Chunk(0, min(OPENING_SEGMENTS, len(plan.timeline))) == plan.chunks()[0]


@pytest.mark.parametrize("segments", [1, 3, 4, 52, 53, 54, 103, 1201])
def test_remuxed_chunks_behind_the_opening_have_a_number_of_segments(segments: int) -> None:
    lengths = [len(chunk) for chunk in plan_of(every(6, segments)).chunks()]
    assert segments == sum(lengths)
    assert [REMUX_CHUNK_SEGMENTS] * (len(lengths) - 2) == lengths[1:-1]
    assert all(length <= REMUX_CHUNK_SEGMENTS for length in lengths)


@given(timelines())
def test_encoded_chunks_behind_the_opening_last_long_enough_to_make_the_pre_roll_cheap(timeline: Timeline) -> None:
    chunks = plan_of(timeline, encode=True).chunks()[1:]
    lasts = [timeline.time(chunk.last) - timeline.time(chunk.first) for chunk in chunks]
    assert all(seconds >= ENCODE_CHUNK_SECONDS for seconds in lasts[:-1])
    assert len(lasts) < 2 or 3 * lasts[-1] >= ENCODE_CHUNK_SECONDS


@pytest.mark.parametrize(
    ("segments", "chunks"),
    [
        (1, [Chunk(0, 1)]),
        (3, [Chunk(0, 3)]),
        (4, [Chunk(0, 3), Chunk(3, 4)]),
        (13, [Chunk(0, 3), Chunk(3, 8), Chunk(8, 13)]),
        (14, [Chunk(0, 3), Chunk(3, 8), Chunk(8, 14)]),  # 6 s are no chunk of their own
        (15, [Chunk(0, 3), Chunk(3, 8), Chunk(8, 13), Chunk(13, 15)]),
    ],
)
def test_six_second_segments_are_encoded_by_fives(segments: int, chunks: list[Chunk]) -> None:
    assert chunks == plan_of(every(6, segments), encode=True).chunks()


@pytest.mark.parametrize(("apart", "seconds"), [(2, 30), (60, 30), (600, 150), (7200, 300)])
def test_chunks_of_films_with_few_key_frames_are_longer(apart: int, seconds: int) -> None:
    """Each is decoded from the key frame before it: chunks of 30 s would decode a long group again and again."""
    plan = plan_of(every(6, 1200), encode=True)
    (rendition,) = plan.renditions
    assert rendition.video is not None
    video = rendition.video.model_copy(update={"group_seconds": apart})
    plan = plan.model_copy(update={"renditions": (rendition.model_copy(update={"video": video}),)})
    inner = plan.chunks()[1:-1]
    assert {len(chunk) * 6 for chunk in inner} == {seconds}

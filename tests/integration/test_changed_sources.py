"""A source that is replaced becomes a new revision; what is live plays until that is complete."""

from __future__ import annotations

from tests.integration.system import Stack, is_problem, until
from tests.media import CLIP, LONG, OTHER, MediaFolder, complaints, picture_hashes


def test_a_replaced_source_becomes_a_new_revision(stack: Stack, media: MediaFolder, folder: str) -> None:
    key = stack.put(f"{folder}/a.mp4", media.path(CLIP))
    video = stack.convert(key)
    old, old_segments = stack.revision(video), stack.making(video)
    stack.put(key, media.path(OTHER))
    assert stack.convert(key) == video
    new = stack.revision(video)
    assert new != old
    for url in (stack.video_url(video), stack.stream_url(key)):
        assert picture_hashes(url) == picture_hashes(media.path(OTHER))
    made = stack.making(video)
    assert {name: made.get(name) for name in old_segments} == old_segments, "whoever plays the old one plays on"


def test_viewers_notice_a_replaced_source_without_anybody_asking(stack: Stack, media: MediaFolder, folder: str) -> None:
    key = stack.put(f"{folder}/a.mp4", media.path(CLIP))
    video = stack.convert(key)
    old = stack.revision(video)
    stack.put(key, media.path(OTHER))
    stack.delete(stack.cache_url(video))
    assert stack.get(stack.stream_url(key)).status_code == 200  # the old one; and it sees that the source has changed
    until(lambda: stack.revision(video) != old, "the new version is live")
    until(lambda: stack.revision(video) in stack.get(stack.stream_url(key)).text, "the new version is given out")
    assert picture_hashes(stack.stream_url(key)) == picture_hashes(media.path(OTHER))


def test_a_source_replaced_while_it_is_converted_is_never_published_mixed(
    stack: Stack, media: MediaFolder, folder: str
) -> None:
    key = stack.put(f"{folder}/a.mp4", media.path(CLIP))
    video = stack.convert(key)
    stack.put(key, media.path(LONG))
    accepted = stack.transcode(key, reencode=True, wait=False)
    assert accepted.status_code == 202
    old, job = stack.revision(video), accepted.json()["job"]
    until(lambda: stack.job(job).json()["progress"]["segments_done"] >= 1, "the first segment is made")
    stack.put(key, media.path(OTHER))
    until(lambda: stack.job(job).json()["state"] == "cancelled", "the change is noticed", seconds=90)
    successor = stack.job(job).json()["replaced_by"]
    until(lambda: stack.revision(video) == successor, "the new version is live, without anybody asking", seconds=90)
    assert successor not in (old, job)
    until(lambda: job not in "".join(stack.keys(f"{video}/")), "what was made of the old version is gone")
    assert stack.convert(key, reencode=True) == video
    assert len(picture_hashes(stack.stream_url(key, reencode="true"))) == len(picture_hashes(media.path(OTHER)))


def test_a_commit_that_is_done_again_leaves_the_revision_before_it(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    before = one_stack.revision(video := one_stack.convert(key))
    one_stack.put(key, media.path(OTHER))
    one_stack.convert(key)
    kept = {name for name in one_stack.making(video) if before in name}
    now = one_stack.revision(video)
    epoch = one_stack.hash(f"mam:job:{now}")["epoch"]
    assert one_stack.post(f"/jobs/{now}/retry", None).status_code == 202
    until(lambda: one_stack.job(now).json()["state"] == "succeeded", "it is committed again")
    assert one_stack.hash(f"mam:job:{now}")["epoch"] > epoch
    assert kept and kept <= set(one_stack.making(video))


def test_viewers_of_a_source_that_was_replaced_are_told_to_ask_again(
    one_stack: Stack, media: MediaFolder, folder: str
) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(LONG))
    playlist = one_stack.playlist(one_stack.stream_url(key, reencode="true"))
    job = one_stack.plan(f"{folder}/a").revision
    until(lambda: one_stack.job(job).json()["progress"]["segments_done"], "the first segment is made")
    one_stack.put(key, media.path(OTHER))
    until(lambda: one_stack.job(job).json()["state"] == "cancelled", "the change is noticed")
    until(lambda: not [name for name in one_stack.keys(f"{folder}/") if job in name], "what was made is gone")
    answer = one_stack.get(playlist.segments[-1].absolute_uri)
    assert is_problem(answer, 404, "not_found")
    assert "playlist again" in answer.json()["hint"]


def test_a_removed_source_leaves_its_stream(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    key = one_stack.put(f"{folder}/a.mp4", media.path(CLIP))
    video = one_stack.convert(key)
    one_stack.s3.client.remove_object("myvideos", key)
    one_stack.delete(one_stack.cache_url(video))
    assert complaints(one_stack.video_url(video)) == ""
    assert complaints(one_stack.stream_url(key)) == ""
    assert is_problem(one_stack.transcode(key), 404, "not_found")

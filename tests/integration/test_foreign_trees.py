"""HLS that another tool left in the VoD bucket is served just as well, within its own folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from mam.naming import commit_key
from tests.integration.system import API_KEY, BUCKET, S3, VOD, Stack, fetch, is_problem, own_stack, raw
from tests.media import CLIP, FILM, MediaFolder, complaints, ffmpeg, picture_hashes

TREES = "foreign-vod"  # the VoD bucket of the system with rules
MULTIVARIANT = """#EXTM3U
#EXT-X-VERSION:3
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=320x180
720p/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=320x180
low.m3u8
"""


def put_tree(stack: Stack, media: MediaFolder, video: str, scratch: str) -> list[str]:
    """What `ffmpeg -f hls` makes, put by hand; returns the names of its segments."""
    path = media.path(FILM).parent / scratch
    path.mkdir()
    ffmpeg("-i", str(media.path(FILM)), "-c", "copy", "-f", "hls", "-hls_time", "6", "-hls_playlist_type", "vod",
           str(path / "index.m3u8"))  # fmt: skip
    for made in sorted(path.iterdir()):
        stack.put(f"{video}/{made.name}", made, bucket=stack.settings.minio_bucket_vod)
    return sorted(made.name for made in path.glob("*.ts"))


def test_a_tree_without_a_plan_plays_by_name_and_by_asset(stack: Stack, media: MediaFolder, folder: str) -> None:
    segments = put_tree(stack, media, f"{folder}/sample", f"{folder}-{stack.s3.kind}")
    assert segments[0] == "index0.ts"
    key = stack.put(f"{folder}/sample.mp4", media.path(CLIP))
    before = stack.keys(f"{folder}/")
    for url in (stack.video_url(f"{folder}/sample"), stack.stream_url(key), stack.stream_url(key, reencode="true")):
        found = stack.playlist(url)
        assert [f"/{VOD}/{folder}/sample/{name}?" in s.uri for name, s in zip(segments, found.segments, strict=True)]
        assert complaints(url) == ""
        assert picture_hashes(url) == picture_hashes(media.path(FILM))
    assert stack.keys(f"{folder}/") == before, "nothing was converted for it"


def test_a_tree_without_a_plan_is_deleted_by_what_it_names(stack: Stack, media: MediaFolder, folder: str) -> None:
    put_tree(stack, media, f"{folder}/sample", f"{folder}-{stack.s3.kind}")
    stack.put(f"{folder}/sample/notes.txt", b"somebody's", bucket=VOD)
    stack.put(f"{folder}/sample2/index.m3u8", b"#EXTM3U\n", bucket=VOD)
    key = stack.put(f"{folder}/sample.mp4", media.path(CLIP))
    assert stack.delete(stack.stream_url(key)).status_code == 200
    assert stack.keys(f"{folder}/") == {f"{folder}/sample/notes.txt", f"{folder}/sample2/index.m3u8"}


def test_the_renditions_of_a_multivariant_tree_play(stack: Stack, media: MediaFolder, folder: str) -> None:
    video = f"{folder}/film"
    put_tree(stack, media, f"{video}/720p", f"{folder}-{stack.s3.kind}")
    stack.put(f"{video}/low.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n720p/index0.ts\n#EXT-X-ENDLIST\n",
              bucket=VOD)  # fmt: skip
    stack.put(commit_key(video), MULTIVARIANT.encode(), bucket=VOD)
    top = stack.playlist(stack.video_url(video))
    assert [variant.uri for variant in top.playlists] == [
        "playlist.m3u8?rendition=720p",
        "playlist.m3u8?rendition=low",
    ]
    rendition = stack.video_url(video, rendition="720p")
    assert fetch(stack.playlist(rendition).segments[0].uri)[0] == 200
    assert complaints(rendition) == ""
    assert len(picture_hashes(stack.video_url(video))) == 600
    assert f"/{VOD}/{video}/720p/index0.ts?" in stack.playlist(stack.video_url(video, rendition="low")).segments[0].uri
    for rendition in ("1080p", "../../secret", "720p/index.m3u8"):
        missing = stack.get(stack.video_url(video, rendition=rendition))
        assert is_problem(missing, 404, "video_not_found")


@pytest.mark.parametrize(
    "uri",
    [
        "../other/index0.ts",
        "a/../../other/index0.ts",
        "%2e%2e/other/index0.ts",
        "/vod/other/index0.ts",
        "a%00.ts",
        "..",
    ],
)
def test_a_playlist_that_names_what_is_not_its_own_is_refused(stack: Stack, folder: str, uri: str) -> None:
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n{uri}\n#EXT-X-ENDLIST\n"
    stack.put(f"{folder}/evil/index.m3u8", text.encode(), bucket=VOD)
    answer = stack.get(stack.video_url(f"{folder}/evil"))
    assert is_problem(answer, 502, "invalid_playlist")
    assert "X-Amz" not in answer.text


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe", b"#EXTINF:6,\na.ts\n"])
def test_what_is_no_playlist_is_not_given_out(stack: Stack, folder: str, content: bytes) -> None:
    stack.put(f"{folder}/odd/index.m3u8", content, bucket=VOD)
    assert is_problem(stack.get(stack.video_url(f"{folder}/odd")), 502, "invalid_playlist")


def test_absolute_urls_of_a_foreign_playlist_stay_as_they_are(one_stack: Stack, folder: str) -> None:
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nhttps://cdn.example/a.ts\n#EXT-X-ENDLIST\n"
    one_stack.put(f"{folder}/far/index.m3u8", text.encode(), bucket=VOD)
    assert one_stack.get(one_stack.video_url(f"{folder}/far")).text == text


@pytest.fixture(scope="module")
def guarded(one_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system whose rules are for assets and for other tools' trees."""
    rules = f"{TREES}/signed/=signed, {TREES}/=public, {BUCKET}/=public"
    folder = tmp_path_factory.mktemp("foreign")
    with own_stack(one_s3, folder, PLAYBACK_RULES=rules, MINIO_BUCKET_VOD=TREES) as stack:
        yield stack


def issued(stack: Stack, subject: str, **claims: object) -> str:
    body = {"sub": subject, **claims}
    url = f"http://{stack.vod.address}/playback/tokens"
    answer = requests.post(url, json=body, headers={"x-api-key": API_KEY}, timeout=20)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


@pytest.mark.parametrize("subject", ["signed/film.v1", "signed/"])
def test_a_signed_tree_of_another_tool_plays_with_a_token_and_names_neither_it_nor_a_signature(
    guarded: Stack, media: MediaFolder, folder: str, subject: str
) -> None:
    name = "signed/film.v1"
    segments = put_tree(guarded, media, name, folder)
    guarded.put(f"{name}/notes.txt", b"somebody's", bucket=TREES)
    token, path = issued(guarded, f"{TREES}/{subject}"), f"/video/{name}/playlist.m3u8"
    here = f"http://{guarded.vod.address}"
    url = f"{here}/p/{token}{path}"
    listed = guarded.playlist(url)
    assert [segment.uri for segment in listed.segments] == [f"~/{segment}" for segment in segments]
    text = guarded.get(url).text
    assert token not in text and "X-Amz" not in text and "://" not in text
    assert complaints(url) == ""
    assert picture_hashes(url) == picture_hashes(media.path(FILM))
    leads_to = guarded.get(listed.segments[0].absolute_uri, allow_redirects=False)
    assert (leads_to.status_code, leads_to.headers["cache-control"]) == (302, "no-store")
    for ending in ("playlist.m3u8", f"~/{segments[0]}"):
        for prefix in ("", f"/p/{issued(guarded, f'{TREES}/signed/another')}"):
            refused = guarded.get(f"{here}{prefix}/video/{name}/{ending}", allow_redirects=False)
            assert is_problem(refused, 404, "video_not_found"), ending
    for missing in ("notes.txt", "index.m3u8", "%2e%2e/film.v1/index0.ts", "index9.ts"):
        status, _, body = raw(guarded.vod, "GET", f"/p/{token}/video/{name}/~/{missing}")
        assert status == 404, (missing, body)
    head = requests.head(listed.segments[0].absolute_uri, timeout=20, allow_redirects=False)
    assert head.status_code == 302


def test_a_signed_tree_stands_for_an_asset_only_with_the_right_to_both(
    guarded: Stack, media: MediaFolder, folder: str
) -> None:
    put_tree(guarded, media, "signed/asset", folder)
    key = guarded.put("signed/asset.mp4", media.path(CLIP))
    token = issued(guarded, f"{TREES}/signed/asset")
    url = f"http://{guarded.vod.address}/p/{token}/stream/{BUCKET}/{key}/playlist.m3u8"
    listed = guarded.playlist(url)
    assert listed.segments[0].uri == "~/index0.ts"
    assert complaints(url) == ""
    plain = guarded.get(f"http://{guarded.vod.address}/stream/{BUCKET}/{key}/~/index0.ts", allow_redirects=False)
    assert is_problem(plain, 404, "not_found")


def test_a_named_file_that_is_gone_is_missing_and_a_public_tree_has_signed_urls(
    guarded: Stack, media: MediaFolder, folder: str
) -> None:
    for name in ("signed/torn", "public/whole"):
        put_tree(guarded, media, name, f"{folder}-{name[:6]}")
    guarded.s3.client.remove_object(TREES, "signed/torn/index0.ts")
    token = issued(guarded, f"{TREES}/signed/torn")
    listed = guarded.playlist(f"http://{guarded.vod.address}/p/{token}/video/signed/torn/playlist.m3u8")
    answers = [guarded.get(each.absolute_uri, allow_redirects=False) for each in listed.segments[:2]]
    assert is_problem(answers[0], 404, "not_found")
    assert answers[1].status_code == 302
    assert "X-Amz" in guarded.playlist(guarded.video_url("public/whole")).segments[0].uri


def test_a_limit_on_the_height_holds_for_the_files_of_a_signed_tree(
    guarded: Stack, media: MediaFolder, folder: str
) -> None:
    video = "signed/heights"
    put_tree(guarded, media, f"{video}/720p", folder)
    text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=320x180\n720p/index.m3u8\n"
    guarded.put(commit_key(video), text.encode(), bucket=TREES)
    for most, status in ((179, 403), (180, 302), (181, 302)):
        token = issued(guarded, f"{TREES}/{video}", max_height=most)
        url = f"http://{guarded.vod.address}/p/{token}/video/{video}/~/720p/index0.ts"
        assert guarded.get(url, allow_redirects=False).status_code == status

"""What may be shown of a URL."""

from __future__ import annotations

from mam.check.fetch import place


def test_a_signature_is_not_shown_and_the_name_of_a_rendition_is() -> None:
    assert place("https://s3/vod/a/0.ts?X-Amz-Date=1&X-Amz-Signature=abc") == "https://s3/vod/a/0.ts"
    assert (
        place("https://vod/video/a/playlist.m3u8?rendition=720p#x")
        == "https://vod/video/a/playlist.m3u8?rendition=720p"
    )

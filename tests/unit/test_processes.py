"""What a process may use of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from mam.processes import cores, quota
from mam.transcoding.worker import SLOTS, count_slots, slots


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_a_container_says_how_much_of_the_processor_is_its_own(
    files: dict[str, str], expected: float | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert quota(tmp_path) == expected


def test_a_worker_knows_its_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SLOTS, raising=False)
    assert slots() == cores() >= 1
    monkeypatch.setenv(SLOTS, "1")  # to be restored
    count_slots(3)
    assert slots() == 3

"""What a process may use of the machine."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.processes import cores, fitting, memory_limit, quota
from mam.worker.process import SLOTS, count_slots, slots


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


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": "4294967296\n"}, 4 << 30),
        ({"memory.max": "max\n"}, None),
        ({"memory/memory.limit_in_bytes": "536870912\n"}, 512 << 20),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ({}, None),
    ],
)
def test_a_container_says_how_much_memory_is_its_own(
    files: dict[str, str], expected: int | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory_limit(tmp_path) == expected


@given(st.integers(1, 256), st.none() | st.integers(1 << 20, 1 << 40), st.integers(1 << 20, 1 << 34))
def test_no_more_processes_are_started_than_fit(have: int, limit: int | None, size: int) -> None:
    with (
        mock.patch("mam.processes.cores", return_value=have),
        mock.patch("mam.processes.memory", return_value=limit),
    ):
        found = fitting(size)
    assert 1 <= found <= have
    if limit is None or limit >= have * size:
        assert found == have
    elif limit >= size:
        assert found * size <= limit < (found + 1) * size

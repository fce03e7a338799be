"""Filters of system calls, run here as the kernel runs them: what they allow on each machine, whatever is called."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mam.sandbox import seccomp, wrapper
from mam.sandbox.seccomp import COMPUTING, CONDITIONS, MACHINES, MEDDLING, Numbers

HEADERS = {"x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "/usr/include/asm-generic/unistd.h"}
ALLOW, KILL = "allow", "kill"
WORDS = st.integers(0, 2**64 - 1)

each_machine = pytest.mark.parametrize("machine", MACHINES)


def answer(program: bytes, number: int, arguments: tuple[int, ...] = (), *, machine: str) -> str | int:
    """What the kernel would do with a call: allow it, kill the process, or fail with an error number."""
    data = struct.pack("=IIQ6Q", number, seccomp.ARCHITECTURES[machine], 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    instructions: list[tuple[int, ...]] = list(struct.iter_unpack("=HBBI", program))
    loaded: int
    loaded, at = 0, 0
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        if code == seccomp.LOAD:
            (loaded,) = struct.unpack_from("=I", data, operand)
        elif code == seccomp.ANSWER:
            if operand & 0xFFFF0000 == seccomp.FAIL:
                return operand & 0xFFFF
            return {seccomp.ALLOW: ALLOW, seccomp.KILL: KILL}[operand]
        else:
            tests = {
                seccomp.JUMP_EQUAL: loaded == operand,
                seccomp.JUMP_ANY_BIT: bool(loaded & operand),
                seccomp.JUMP_AT_LEAST: loaded >= operand,
            }
            at += if_true if tests[code] else if_false


def number_of(name: str, machine: str, calls: dict[str, Numbers] = COMPUTING) -> int:
    number = calls[name][MACHINES.index(machine)]
    assert number is not None
    return number


@each_machine
@given(number=st.integers(0, 2**32 - 1), arguments=st.tuples(*[WORDS] * 6))
def test_what_computes_may_call_what_is_listed_and_nothing_else(
    machine: str, number: int, arguments: tuple[int, ...]
) -> None:
    listed = {numbers[MACHINES.index(machine)] for numbers in COMPUTING.values()}
    program = seccomp.computing(machine)
    assert number in listed or answer(program, number, arguments, machine=machine) == errno.ENOSYS


@each_machine
@given(name=st.sampled_from([name for name in COMPUTING if name not in CONDITIONS]), arguments=st.tuples(*[WORDS] * 6))
def test_what_is_listed_without_a_condition_is_allowed(machine: str, name: str, arguments: tuple[int, ...]) -> None:
    number = COMPUTING[name][MACHINES.index(machine)]
    if number is not None:
        assert answer(seccomp.computing(machine), number, arguments, machine=machine) == ALLOW


@each_machine
@given(flags=st.integers(0, 2**32 - 1))
def test_files_are_opened_for_reading_alone(machine: str, flags: int) -> None:
    found = answer(seccomp.computing(machine), number_of("openat", machine), (0, 0, flags), machine=machine)
    assert found == (errno.EPERM if flags & seccomp.WRITING else ALLOW)


@each_machine
@given(flags=st.integers(0, 2**32 - 1))
def test_threads_are_started_and_no_processes(machine: str, flags: int) -> None:
    found = answer(seccomp.computing(machine), number_of("clone", machine), (flags,), machine=machine)
    assert found == (ALLOW if flags & seccomp.CLONE_THREAD else errno.EPERM)


@each_machine
@pytest.mark.parametrize(("name", "value"), [("prlimit64", 0), ("prctl", seccomp.PR_SET_NAME)])
@given(first=st.integers(0, 2**32 - 1))
def test_a_call_with_a_value_is_allowed_with_that_alone(machine: str, name: str, value: int, first: int) -> None:
    program, number = seccomp.computing(machine), number_of(name, machine)
    assert answer(program, number, (value,), machine=machine) == ALLOW
    assert first == value or answer(program, number, (first,), machine=machine) == errno.EPERM


@each_machine
@given(address=WORDS, other=WORDS)
def test_execve_is_allowed_for_the_path_at_one_address_alone(machine: str, address: int, other: int) -> None:
    execve = seccomp.execve(machine)
    program = wrapper.once(execve, address)
    assert answer(program, execve, (address,), machine=machine) == ALLOW
    assert other == address or answer(program, execve, (other,), machine=machine) == errno.EPERM
    assert answer(program, execve + 1, (other,), machine=machine) == ALLOW


@each_machine
@given(number=st.integers(0, 2**32 - 1))
def test_workers_may_call_everything_but_what_meddles(machine: str, number: int) -> None:
    program = seccomp.sparing(machine)
    refused = {numbers[MACHINES.index(machine)] for numbers in MEDDLING.values()}
    expected = errno.EPERM if number in refused or number >= seccomp.X32 else ALLOW
    assert answer(program, number, machine=machine) == expected
    assert all(answer(program, each, machine=machine) == errno.EPERM for each in refused if each is not None)


@each_machine
@pytest.mark.parametrize("program", [seccomp.computing, seccomp.sparing])
def test_calls_of_another_architecture_end_the_process(machine: str, program: object) -> None:
    (other,) = set(MACHINES) - {machine}
    assert callable(program)
    assert answer(program(machine), 1, machine=other) == KILL


@each_machine
def test_the_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    header = Path(HEADERS[machine])
    if not header.exists():
        pytest.skip(f"{header} is not there")
    text = header.read_text("ascii")
    known = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    known.setdefault("newfstatat", known.get("fstatat", -1))  # what 64 bits call it
    for name, numbers in {**COMPUTING, **MEDDLING}.items():
        assert known.get(name) == numbers[MACHINES.index(machine)], name

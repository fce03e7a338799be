"""Filters of system calls (seccomp): makes lists of names into the programs that the kernel runs before each call."""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

# These codes of <linux/filter.h> load a word of the call's data, compare it, and answer.
LOAD, JUMP_EQUAL, JUMP_ANY_BIT, JUMP_AT_LEAST, ANSWER = 0x20, 0x15, 0x45, 0x35, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # These are offsets in struct seccomp_data.
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050000, 0x80000000  # SECCOMP_RET_*; an error number is added to FAIL.
X32 = 0x40000000  # From this number on, calls belong to the x32 ABI, which the machines below do not need.

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # The numbers are AUDIT_ARCH_*.
MACHINES = tuple(ARCHITECTURES)

CLONE_THREAD = 0x00010000
PR_SET_NAME = 15
# These flags have the same values on both machines.
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True, slots=True)
class Argument:
    """A condition on an argument of a call. The call fails with EPERM where the condition is not met."""

    index: int
    test: Literal["equals", "has", "lacks"]
    value: int  # It has 32 bits.


# The numbers of a call on MACHINES; None where there is no such call.
Numbers = tuple[int | None, int | None]

# All calls of a program that computes in threads and uses the pipes that it was given. Any other call fails as on a
# kernel that does not know it (ENOSYS): C libraries then use an older call.
COMPUTING: dict[str, Numbers] = {
    "futex": (202, 98), "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66),
    "pread64": (17, 67), "lseek": (8, 62), "close": (3, 57), "fcntl": (72, 25), "dup": (32, 23), "dup2": (33, None),
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72),
    "brk": (12, 214), "mmap": (9, 222), "munmap": (11, 215), "mprotect": (10, 226), "mremap": (25, 216),
    "madvise": (28, 233), "membarrier": (324, 283), "get_mempolicy": (239, 236), "mbind": (237, 235),
    "set_tid_address": (218, 96), "set_robust_list": (273, 99), "rseq": (334, 293), "arch_prctl": (158, None),
    "exit": (60, 93), "exit_group": (231, 94), "gettid": (186, 178), "getpid": (39, 172), "getppid": (110, 173),
    "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
    "getpgrp": (111, None), "getpgid": (121, 155),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120), "sched_get_priority_max": (146, 125), "sched_get_priority_min": (147, 126),
    "getcpu": (309, 168), "getpriority": (140, 141),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133), "sigaltstack": (131, 132), "pause": (34, None),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "nanosleep": (35, 101),
    "gettimeofday": (96, 169), "time": (201, None), "times": (100, 153), "getrusage": (98, 165),
    "getrlimit": (97, 163), "sysinfo": (99, 179), "uname": (63, 160), "getrandom": (318, 278),
    # These calls read files; Landlock decides which files.
    "fstat": (5, 80), "stat": (4, None), "lstat": (6, None), "newfstatat": (262, 79), "statx": (332, 291),
    "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None),
    "readlinkat": (267, 78), "getcwd": (79, 17), "getdents64": (217, 61),
    "open": (2, None), "openat": (257, 56),
    "clone": (56, 220), "prlimit64": (302, 261), "prctl": (157, 167), "execve": (59, 221),
}  # fmt: skip
CONDITIONS = {
    "open": Argument(1, "lacks", WRITING),
    "openat": Argument(2, "lacks", WRITING),
    "clone": Argument(0, "has", CLONE_THREAD),  # Threads, no processes. clone3 hides its flags and is not allowed.
    "prlimit64": Argument(0, "equals", 0),  # Of itself, not of its user's other processes.
    "prctl": Argument(0, "equals", PR_SET_NAME),
}

# Calls that a worker never needs, and that code which took it over would use: they reach other processes' memory, the
# kernel's keys and programs, mounts, namespaces, the machine's state.
MEDDLING: dict[str, Numbers] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "unshare": (272, 97), "setns": (308, 268),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "syslog": (103, 116),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171),
    "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None),
}  # fmt: skip


def machine() -> str:
    """One of MACHINES, or empty where there are no filters: on other processors and systems, and with 32 bits."""
    name = os.uname().machine if sys.platform == "linux" and sys.maxsize > 1 << 32 else ""
    return name if name in MACHINES else ""


def computing(machine: str) -> bytes:
    """The program that allows COMPUTING under CONDITIONS, and nothing else."""
    calls = sorted(_numbers(COMPUTING, machine), key=lambda call: call[0] in CONDITIONS)
    blocks = [_block(number, CONDITIONS.get(name)) for name, number in calls]
    return _program(machine, [*blocks, [(ANSWER, 0, 0, FAIL | errno.ENOSYS)]])


def sparing(machine: str) -> bytes:
    """The program that allows everything but MEDDLING."""
    refused = [[(JUMP_EQUAL, 0, 1, number), _refusal()] for _, number in _numbers(MEDDLING, machine)]
    foreign = [(JUMP_AT_LEAST, 0, 1, X32), _refusal()]
    return _program(machine, [foreign, *refused, [(ANSWER, 0, 0, ALLOW)]])


def execve(machine: str) -> int:
    """The number of execve on this machine."""
    return dict(_numbers(COMPUTING, machine))["execve"]


def _numbers(calls: dict[str, Numbers], machine: str) -> Iterator[tuple[str, int]]:
    column = MACHINES.index(machine)
    for name, numbers in calls.items():
        number = numbers[column]
        if number is not None:
            yield name, number


Instruction = tuple[int, int, int, int]  # An instruction has a code, the jumps if true and if false, and an operand.


def _refusal() -> Instruction:
    return ANSWER, 0, 0, FAIL | errno.EPERM


def _block(number: int, condition: Argument | None) -> list[Instruction]:
    """Allows call `number` where it meets the condition. Expects that the call's number is loaded."""
    answers: list[Instruction] = [(ANSWER, 0, 0, ALLOW)]
    if condition is not None:
        test = JUMP_EQUAL if condition.test == "equals" else JUMP_ANY_BIT
        allow_first = condition.test != "lacks"
        met, unmet = (ANSWER, 0, 0, ALLOW), _refusal()
        answers = [
            (LOAD, 0, 0, ARGUMENTS + 8 * condition.index),  # The lower half: both machines are little-endian.
            (test, 0, 1, condition.value),
            *((met, unmet) if allow_first else (unmet, met)),
        ]
    return [(JUMP_EQUAL, 0, len(answers), number), *answers]


def _program(machine: str, blocks: Iterable[Iterable[Instruction]]) -> bytes:
    head: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (ANSWER, 0, 0, KILL),  # Other architectures have other numbers.
        (LOAD, 0, 0, NUMBER),
    ]
    instructions = [*head, *(instruction for block in blocks for instruction in block)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)

"""Becomes another program that the kernel ends when its parent dies: `python tether.py PARENT_PID PROGRAM ARG …`.

A program of its own and not a `preexec_fn`, which may deadlock in a parent with threads. Linux only: nowhere else has
the kernel such a service. It fires when the *thread* that started the program ends.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("The parent was gone before its child could be tied to it.")
    os.execvp(sys.argv[2], sys.argv[2:])

"""How long a conversion will still take: told when it is known, and not before."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from mam.jobs.job import FEW_SECONDS, FEW_SEGMENTS, Job, RunningTask, State, parse

TASK = RunningTask("make:1", "host:7", 0.0, 1, "anything@host")


def job(*, done: int, total: int, seconds: float, begun: float, running: bool, state: State = State.RUNNING) -> Job:
    """A job that was begun `begun` seconds ago, of `total` segments of six seconds."""
    fields = {"state": state.value, "epoch": "1", "segments": str(total), "duration": str(6 * total)}
    fields |= {"media_made": str(seconds), "started_at": str(time.time() - begun)}
    tasks = {"make:1": '{"worker": "host:7", "parent": "anything@host", "since": 0}'} if running else {}
    found = parse("0123456789ab", fields, done=done, attempts={}, running=tasks, position=None)
    assert found is not None
    return found


@given(st.integers(0, 20), st.integers(1, 20), st.floats(0, 5000), st.booleans(), st.sampled_from(State))
def test_an_eta_is_told_only_of_what_somebody_is_at_and_from_more_than_a_moment(
    done: int, more: int, begun: float, running: bool, state: State
) -> None:
    found = job(done=done, total=done + more, seconds=6.0 * done, begun=begun, running=running, state=state)
    known = state is State.RUNNING and running and done >= FEW_SEGMENTS and begun > FEW_SECONDS + 0.1
    if known:
        assert found.eta is not None
        assert abs(found.eta - more * begun / done) < 1 + 0.1 * more * begun / done
    elif begun < FEW_SECONDS - 0.1 or not running or state is not State.RUNNING or done < FEW_SEGMENTS:
        assert found.eta is None

"""A store that is as bad as stores are: what it costs is time."""

from __future__ import annotations

import pytest

from tests.faults.proxy import Mood
from tests.faults.system import FAULTS, PUT_SECONDS, Fragile
from tests.integration.system import until

# What the store is like, and how many requests must have met it.
MOODS = {
    "it refuses writes": (Mood(put_seconds=PUT_SECONDS, refuse_puts=(503, b"SlowDown")), 20),
    "its disk is full": (Mood(put_seconds=PUT_SECONDS, refuse_puts=(507, b"XMinioStorageFull")), 8),
    "it forbids writes": (Mood(put_seconds=PUT_SECONDS, refuse_puts=(403, b"AccessDenied")), 8),
    "it breaks off in the middle": (Mood(put_seconds=PUT_SECONDS, cut_after=20_000), 20),
    "it takes two seconds to answer": (Mood(put_seconds=PUT_SECONDS, answer_seconds=2), 10),
}
# The same code puts a refused segment again, however it was made. A segment that may have been written, or is late,
# matters to an encoder, which goes on meanwhile. `make test-faults` encodes in all moods.
CASES = [
    pytest.param(what, reencode, id=f"{what}-{'encode' if reencode else 'remux'}")
    for what, (mood, _) in MOODS.items()
    for reencode in (False, True)
    if FAULTS > 1 or not reencode or mood.cut_after or mood.answer_seconds
]


@pytest.mark.faults
@pytest.mark.parametrize(("what", "reencode"), CASES)
def test_a_conversion_survives_a_store_that_is_bad_for_a_while(
    system: Fragile, folder: str, what: str, reencode: bool
) -> None:
    mood, times = MOODS[what]
    job = system.begin(f"{folder}/a", reencode=reencode)
    job.await_made(5)

    def suffer() -> None:
        before = system.proxy.spoiled
        with system.proxy.bad(mood):
            until(lambda: system.proxy.spoiled >= before + times or job.is_live(), f"the store shows that {what}",
                  seconds=120)  # fmt: skip

    job.fault(what, suffer)
    # Only where an answer is cut off does nobody know that the segment was written.
    assert job.is_whole(faults=times if mood.cut_after else 1)

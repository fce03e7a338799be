"""Who may have new conversions begun: viewers, whom nobody knows, must not use up what others have keys for."""

from __future__ import annotations

from typing import Any

import redis

from mam.errors import TooManyJobs, TooManyStarts
from mam.jobs.job import State
from mam.jobs.keys import STARTS
from mam.jobs.state import Jobs
from mam.settings import Settings

VIEWERS_SHARE = 2  # Of the unfinished conversions, viewers alone may have asked for this part: one in two.
HOUR = 3600

# A token bucket. KEYS: that of the client. ARGV: its size, which is also the number of tokens that an hour brings.
# It takes a token and returns 0, or the seconds until there is one.
_TAKE = f"""
local time = redis.call('TIME')
local now, size = time[1] + time[2] / 1000000, tonumber(ARGV[1])
local left = tonumber(redis.call('HGET', KEYS[1], 'left') or size) or size
local since = tonumber(redis.call('HGET', KEYS[1], 'since') or now) or now
left = math.min(size, left + math.max(0, now - since) * size / {HOUR})
local wait = 0
if left >= 1 then left = left - 1 else wait = math.ceil((1 - left) * {HOUR} / size) end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'since', tostring(now))
redis.call('EXPIRE', KEYS[1], {HOUR})
return wait
"""


class Admission:
    """Admits new conversions."""

    def __init__(self, settings: Settings, client: redis.Redis, jobs: Jobs) -> None:
        self._settings = settings
        self._jobs = jobs
        self._take = client.register_script(_TAKE)

    def check(self, job: str, *, viewer: bool, client: str = "") -> None:
        """Raises TooManyJobs, or TooManyStarts where a viewer's place has begun too many lately.

        A job that is active already is joined. `client`: the viewer's place, '' where it is not known.
        """
        most = self._settings.max_queued_jobs
        share = max(1, most // VIEWERS_SHARE)
        active = self._jobs.active()
        if active < share and not (viewer and client):
            return
        if self._jobs.states([job]) in ([State.QUEUED], [State.RUNNING]):
            return
        if active >= share:
            of_viewers = self._jobs.active_for_viewers()
            counted, limit = (of_viewers, share) if viewer else (active - of_viewers, most)
            if counted >= limit:
                raise TooManyJobs(f"{counted} conversions have not ended.")
        if viewer and client:
            self._charge(client)

    def _charge(self, client: str) -> None:
        per_hour = self._settings.viewer_conversions_per_hour
        if not per_hour:
            return
        wait: Any = self._take(keys=[STARTS + client], args=[per_hour])
        if wait:
            raise TooManyStarts(f"{per_hour} an hour may be begun; the next one in {wait} s.")

"""What the keys of jobs are called in Redis, and how long they are kept."""

from __future__ import annotations

# A job's hash is `mam:job:<id>`. Beside it lie `:made` (a bit per segment), `:attempts` (starts of each task since it
# last got on), `:running` (which worker is at which task), `:callbacks` (the URLs that are told how it goes), `:todo`
# (the chunks that no task was queued for yet), `:given` (those that were queued and are not done, each with the task
# that queued it) and `:seek:<number>` (a segment that is on its way for a viewer).
PREFIX = "mam:job:"
NAME_PREFIX = "mam:name:"
IDEMPOTENCY_PREFIX = "mam:idempotency:"
PICTURES_PREFIX = "mam:pictures:"
# Sorted sets of job ids by the moment of their creation: all jobs, the active ones, those that wait for a worker.
ALL, ACTIVE, QUEUED = "mam:jobs", "mam:jobs:active", "mam:jobs:queued"
PICTURING = "mam:jobs:picturing"  # a set of the ids of jobs, ended ones too, whose pictures a task is making
ASSET = "mam:asset:"  # and `bucket/key`: a sorted set of the ids of its jobs by the moment of their creation
OUTBOX = "mam:webhooks"  # a sorted set: what callers are to be told, by the moment at which it is due
COUNTERS = "mam:counters"  # a hash: `name|label|label` -> how much of it there ever was
# And a machine: what its workers count. Machines come and go, so theirs are forgotten a day after they last counted.
HOST_COUNTERS = "mam:counters:"
HOSTS = "mam:counting-hosts"  # a sorted set: machines by the moment at which they last counted
# And a second of Redis's clock: milliseconds of media that all workers made in it. Whole ones: INCRBYFLOAT in a script
# has Redis 6.2 write beyond its own memory.
SPEED = "mam:speed:"

KEEP_SECONDS = 7 * 24 * 3600  # after the last change
HOST_SECONDS = 24 * 3600
SPEED_SECONDS = 10  # over which the fleet's speed is measured


def made_key(job: str) -> str:
    return f"{PREFIX}{job}:made"


def attempts_key(job: str) -> str:
    return f"{PREFIX}{job}:attempts"


def running_key(job: str) -> str:
    return f"{PREFIX}{job}:running"


def seek_key(job: str, number: int) -> str:
    return f"{PREFIX}{job}:seek:{number}"

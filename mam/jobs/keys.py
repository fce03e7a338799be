"""The Redis keys of jobs, and how long they are kept."""

from __future__ import annotations

# A job's hash is `mam:job:<id>`. Beside it are `:made` (a bit per segment), `:attempts` (starts of each task since its
# last progress), `:running` (the worker of each running task), `:callbacks` (its webhook URLs), `:todo` (the chunks
# without a task yet), `:given` (the queued chunks that are not done, each with the task that queued it) and
# `:seek:<number>` (a segment that is on its way for a viewer).
PREFIX = "mam:job:"
NAME_PREFIX = "mam:name:"
IDEMPOTENCY_PREFIX = "mam:idempotency:"
PICTURES_PREFIX = "mam:pictures:"
# These sorted sets hold job ids by creation time: all jobs, active jobs, jobs that wait for a worker.
ALL, ACTIVE, QUEUED = "mam:jobs", "mam:jobs:active", "mam:jobs:queued"
PICTURING = "mam:jobs:picturing"  # This set holds the ids of jobs whose pictures a task makes.
ASSET = "mam:asset:"  # Followed by `bucket/key`: a sorted set of the ids of the asset's jobs by creation time.
OUTBOX = "mam:webhooks"  # This sorted set holds webhooks by the time at which each is due.
STARTS = "mam:viewer-starts:"  # Followed by a viewer's place: a token bucket of the conversions that it may begin.
COUNTERS = "mam:counters"  # This hash maps `name|label|label` to a total.
# Followed by a machine: the counters of its workers, which expire a day after it last counted.
HOST_COUNTERS = "mam:counters:"
HOSTS = "mam:counting-hosts"  # This sorted set holds machines by the time at which they last counted.
# Followed by a second of Redis's clock: milliseconds of media that all workers made in it. They are whole numbers:
# INCRBYFLOAT in a script makes Redis 6.2 write beyond its own memory.
SPEED = "mam:speed:"

KEEP_SECONDS = 7 * 24 * 3600  # A job is kept this long after its last change.
HOST_SECONDS = 24 * 3600  # A machine's counters are kept this long after its last count.
SPEED_SECONDS = 10  # The fleet's speed is measured over this many seconds.


def made_key(job: str) -> str:
    return f"{PREFIX}{job}:made"


def attempts_key(job: str) -> str:
    return f"{PREFIX}{job}:attempts"


def running_key(job: str) -> str:
    return f"{PREFIX}{job}:running"


def seek_key(job: str, number: int) -> str:
    return f"{PREFIX}{job}:seek:{number}"

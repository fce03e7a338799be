"""Celery's settings, read when the app is first used, with their reasons."""

from __future__ import annotations

from urllib.parse import quote

from mam.jobs.queues import AHEAD, BATCH, INTERACTIVE
from mam.processes import fitting
from mam.settings import worker_settings

_settings = worker_settings()
_password = _settings.redis_password.get_secret_value() if _settings.redis_password else ""
_login = f":{quote(_password, safe='')}@" if _password else ""

PROCESS_BYTES = 512 << 20  # One worker process with its ffmpeg takes this much memory at 1080p.
VISIBILITY_SECONDS = _settings.task_lease_seconds  # Then a dead worker's task goes to another; running tasks renew it.

broker_url = f"redis://{_login}{_settings.redis_host}:{_settings.redis_port}/{_settings.broker_db}"
broker_transport = "mam.jobs.broker:Transport"  # an unreadable message does not end a worker
broker_transport_options = {
    "visibility_timeout": VISIBILITY_SECONDS,
    "unacked_restore_interval": min(5, VISIBILITY_SECONDS / 4),
    "unacked_restore_throttle": 1,
    # A worker that is killed while it restores the tasks of dead workers blocks the others for this many seconds. A
    # restore takes milliseconds; kombu's default is five minutes.
    "unacked_mutex_expire": 5,
    "queue_order_strategy": "priority",  # the order of -Q: viewers' tasks before batches
    "priority_steps": [0],  # a queue is one list under its own name, for `LLEN batch` and autoscalers
    "socket_keepalive": True,
    "health_check_interval": 10,
    "socket_connect_timeout": 2,  # while Redis is away a request answers 503 soon instead of hanging
    "socket_timeout": 10,
}
visibility_timeout = VISIBILITY_SECONDS
broker_connection_retry_on_startup = True

task_acks_late = True  # a killed worker's task runs again: tasks are idempotent
task_reject_on_worker_lost = True
worker_concurrency = fitting(PROCESS_BYTES)  # without -c
worker_consumer = "mam.worker.consumer:Consumer"
worker_prefetch_multiplier = 1  # tasks wait in their queue, where any free worker can take them
worker_disable_prefetch = True
worker_cancel_long_running_tasks_on_connection_loss = False

task_ignore_result = True  # state lives in state.py
task_serializer = "json"
accept_content = ["json"]
task_default_queue = BATCH
task_routes = {
    "mam.plan": {"queue": INTERACTIVE},
    "mam.seek": {"queue": INTERACTIVE},
    "mam.rung": {"queue": INTERACTIVE},
    "mam.remove-rung": {"queue": INTERACTIVE},
    "mam.commit": {"queue": INTERACTIVE},
    "mam.discard": {"queue": INTERACTIVE},
    "mam.ahead": {"queue": AHEAD},
    "mam.preview": {"queue": AHEAD},
    "mam.poster": {"queue": AHEAD},
    "mam.make": {"queue": BATCH},  # the job's priority may choose another queue, here and below
    "mam.storyboard": {"queue": BATCH},
}
task_publish_retry_policy = {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5}
worker_soft_shutdown_timeout = 5  # seconds for a running chunk after SIGTERM: segments that it finishes are kept
worker_hijack_root_logger = False
worker_redirect_stdouts = False  # Celery's proxy would swallow our log, which goes to standard error
worker_proc_alive_timeout = 30  # importing numpy and libav on a busy machine takes a while

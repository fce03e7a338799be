"""Workers that stop while what they depend on stops too, as when a machine is shut down."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from celery import Celery
from kombu.transport.redis import Mutex

from dev.servers import LOOPBACK, Server, start_redis
from mam.jobs import celeryconfig
from mam.settings import Settings
from tests.integration.system import configuration, descendants, until

GONE_SECONDS = 30  # after SIGTERM


def test_a_worker_that_stops_together_with_redis_ends(tmp_path: Path) -> None:
    """Its pool takes a while to end. Meanwhile it sends heartbeats, and nobody answers."""
    redis = start_redis(tmp_path / "redis", persist=False)
    log = tmp_path / "worker.log"
    environment = {**os.environ, **configuration("127.0.0.1:9", redis.port), "REMAP_SIGTERM": "SIGQUIT"}
    celery = [sys.executable, "-m", "celery", "-A", "mam.worker.tasks"]
    command = [*celery, "worker", "-Q", "low", "--concurrency=1", "--loglevel=INFO"]
    with log.open("wb") as output:
        worker = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        until(lambda: b" ready." in log.read_bytes(), "the worker is ready")
        hears_a_heartbeat(redis.port)
        (process,) = [pid for pid, line in descendants(worker.pid).items() if "celery" in line]
        os.kill(process, signal.SIGSTOP)
        worker.send_signal(signal.SIGTERM)
        redis.kill()
        redis.process.wait()
        leaves_heartbeats_without_an_answer(redis.port)
        os.kill(process, signal.SIGCONT)
        assert worker.wait(GONE_SECONDS) == 0
    finally:
        with suppress(ProcessLookupError):  # what the group has left
            os.killpg(worker.pid, signal.SIGKILL)
        redis.stop()


TOLD_TO_STOP = """
import os, signal
from kombu.transport.redis import MultiChannelPoller
from mam.worker.tasks import app

def on_poll_start(self, wrapped=MultiChannelPoller.on_poll_start):
    os.kill(os.getpid(), signal.SIGTERM)
    wrapped(self)

MultiChannelPoller.on_poll_start = on_poll_start
"""


def test_a_worker_that_is_stopped_just_before_it_asks_for_tasks_ends_well(tmp_path: Path, redis_server: Server) -> None:
    """Its pool is gone when it comes to asking whether there is room for one more."""
    (tmp_path / "told.py").write_text(TOLD_TO_STOP)
    environment = {**os.environ, **configuration("127.0.0.1:9", redis_server.port), "REMAP_SIGTERM": "SIGQUIT"}
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    command = [sys.executable, "-m", "celery", "-A", "told", "worker", "-Q", "low", "--concurrency=1"]
    worker = subprocess.Popen(command, env={**environment, "PYTHONPATH": path}, start_new_session=True)
    try:
        assert worker.wait(GONE_SECONDS) == 0
    finally:
        with suppress(ProcessLookupError):  # what the group has left
            os.killpg(worker.pid, signal.SIGKILL)


def test_a_worker_that_is_killed_while_it_looks_for_dead_ones_holds_up_nobody(redis_server: Server) -> None:
    """Its lock, which it cannot release, is gone before the tasks that it held may be taken."""
    options = celeryconfig.broker_transport_options
    with Celery().connection(f"redis://{LOOPBACK}:{redis_server.port}/15", transport_options=options) as connection:
        channel = connection.default_channel
        with (
            channel.conn_or_acquire() as client,
            Mutex(client, channel.unacked_mutex_key, channel.unacked_mutex_expire),
        ):
            assert (
                0 < client.pttl(channel.unacked_mutex_key) / 1000 < Settings.model_fields["task_lease_seconds"].default
            )


def hears_a_heartbeat(port: int) -> None:
    """As Flower does."""
    app = Celery(broker=f"redis://{LOOPBACK}:{port}/1")

    def stop(event: dict[str, object]) -> None:
        receiver.should_stop = True

    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"worker-heartbeat": stop})
        receiver.capture()


def leaves_heartbeats_without_an_answer(port: int) -> None:
    """In Redis's place: closes a few connections, the first of which may be of something else than heartbeats."""
    with socket.create_server((LOOPBACK, port)) as listener:
        listener.settimeout(GONE_SECONDS)
        for _ in range(3):
            listener.accept()[0].close()

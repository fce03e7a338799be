"""Celery workers of one's own over a Redis of one's own, started by the documented command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from dev.servers import LOOPBACK, ROOT, Server, spawn
from mam.jobs.presence import Presence
from mam.jobs.queues import QUEUES
from mam.settings import Settings
from tests.integration.system import STOP_SECONDS, until

INCLUDED = "tests.integration.slow_task"


@dataclass(frozen=True, slots=True)
class Broker:
    """A Redis with the settings of a system over it. `env`: as its services and workers have it."""

    env: dict[str, str]
    folder: Path

    @property
    def settings(self) -> Settings:
        return Settings.model_validate({name.lower(): value for name, value in self.env.items()})

    @property
    def state(self) -> redis.Redis:
        return redis.Redis(LOOPBACK, self.settings.redis_port, self.settings.redis_db)

    @contextmanager
    def worker(self, *, queues: str = ",".join(QUEUES), slots: int = 1, name: str = "tested") -> Iterator[Server]:
        """A worker that takes tasks, its own and those of the tests."""
        argv = [
            sys.executable, "-m", "celery", "-A", "mam.worker.tasks", "worker", "-Q", queues, "-c", str(slots),
            "-n", f"{name}@%h", "-I", INCLUDED, "--loglevel", "WARNING",
        ]  # fmt: skip
        clean = {key: value for key, value in os.environ.items() if key.lower() not in Settings.model_fields}
        env = {**clean, **self.env, "PYTHONPATH": str(ROOT)}
        command = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(self.folder), *argv]  # a .env is not ours
        with spawn(name, command, port=0, log=self.folder / f"{name}.log", env=env) as server:
            until(lambda: self._is_there(name), f"the worker {name!r} is there")
            yield server
            server.stop(STOP_SECONDS)

    def _is_there(self, name: str) -> bool:
        return any(worker.name.startswith(f"{name}@") for worker in Presence.all(self.state))

"""Celery's consumer with heartbeats that give up: a worker that stops together with Redis ends too."""

from __future__ import annotations

from typing import Any, ClassVar

from celery.worker import consumer, heartbeat


class Beats(heartbeat.Heart):  # type: ignore[misc]  # Celery has no types
    """Events that say that the worker is there, for Flower and the like. One that cannot be sent is left out.

    Celery tries again until Redis is back, and holds the lock on its events meanwhile. A worker that stops waits for
    that lock without end, in order to say goodbye.
    """

    def _send(self, event: str, retry: bool = False) -> Any:
        return super()._send(event, retry=False)


class Heart(consumer.Heart):  # type: ignore[misc]  # Celery has no types
    """The step of Celery's consumer that has them sent."""

    def start(self, c: Any) -> None:
        """Of the consumer `c`, whenever it has connected."""
        c.heart = Beats(c.timer, c.event_dispatcher, self.heartbeat_interval)
        c.heart.start()


class Consumer(consumer.Consumer):  # type: ignore[misc]  # Celery has no types
    """Celery's, but for its heartbeats (the setting `worker_consumer`)."""

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[misc]  # Celery has no types
        """What it consists of."""

        default_steps: ClassVar[list[str]] = [
            f"{__name__}:Heart" if step.endswith(":Heart") else step
            for step in consumer.Consumer.Blueprint.default_steps
        ]

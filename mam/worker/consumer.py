"""Celery's consumer for a worker that ends well whenever it is stopped, even together with Redis."""

from __future__ import annotations

from typing import Any, ClassVar

from celery.worker import consumer, heartbeat, state


class Beats(heartbeat.Heart):  # type: ignore[misc]  # Celery has no types
    """Heartbeat events for Flower and similar tools. An event that cannot be sent is dropped.

    Celery itself retries until Redis is back and holds its event lock meanwhile: a stopping worker would wait for that
    lock without end in order to send its last event.
    """

    def _send(self, event: str, retry: bool = False) -> Any:
        return super()._send(event, retry=False)


class Heart(consumer.Heart):  # type: ignore[misc]  # Celery has no types
    """The consumer's step that sends them."""

    def start(self, c: Any) -> None:
        """Starts the heartbeats of the consumer `c` after each connection."""
        c.heart = Beats(c.timer, c.event_dispatcher, self.heartbeat_interval)
        c.heart.start()


class Consumer(consumer.Consumer):  # type: ignore[misc]  # Celery has no types
    """Celery's consumer with these heartbeats (the setting `worker_consumer`)."""

    def start(self) -> None:
        """Consumes until the worker stops.

        Celery stops the pool inside the handler of SIGTERM. The code that the signal interrupted may ask that pool for
        something next, and its AttributeError would end the worker with status 1, as if it had failed.
        """
        try:
            super().start()
        except Exception:
            state.maybe_shutdown()  # raises WorkerTerminate in a worker that was told to stop
            raise

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[misc]  # Celery has no types
        """The consumer's steps."""

        default_steps: ClassVar[list[str]] = [
            f"{__name__}:Heart" if step.endswith(":Heart") else step
            for step in consumer.Consumer.Blueprint.default_steps
        ]

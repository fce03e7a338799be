"""Celery's transport: kombu's for Redis, except that it survives values in the queues that are no messages.

In kombu's own, one unreadable value ends a worker with all its tasks.
"""

from __future__ import annotations

import logging
import time
from queue import Empty
from typing import Any

import redis
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual

UNREADABLE = (TypeError, ValueError, LookupError, AttributeError)  # Kombu raises these for unreadable values.
WAIT_SECONDS = 1.0  # A queue key of another type is read again after this time: it would fail at once otherwise.

log = logging.getLogger(__name__)


class QoS(kombu_redis.QoS):
    """The messages that workers hold: one that cannot be given to another worker is dropped."""

    def ack(self, delivery_tag: Any) -> None:
        try:
            super().ack(delivery_tag)
        except redis.ResponseError as error:  # the task may run again after its lease: that is harmless
            log.error("task not acknowledged", extra={"error": str(error)})
            virtual.QoS.ack(self, delivery_tag)

    def restore_visible(self, *arguments: Any, **options: Any) -> None:
        try:
            super().restore_visible(*arguments, **options)
        except redis.ResponseError as error:
            log.error("held tasks not looked at", extra={"error": str(error)})

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        try:
            super().restore_by_tag(tag, client, leftmost)
        except UNREADABLE as error:
            log.error("held message not understood, dropped", extra={"error": type(error).__name__})
            with self.channel.conn_or_acquire(client) as connection, connection.pipeline() as pipe:
                self._remove_from_indices(tag, pipe).execute()


class Channel(kombu_redis.Channel):
    QoS = QoS

    def _brpop_read(self, **options: Any) -> Any:
        """The next message. Raises Empty when there is none; a value that is no message is dropped."""
        try:
            return super()._brpop_read(**options)
        except UNREADABLE as error:
            log.error("message not understood, dropped", extra={"error": type(error).__name__})
            raise Empty from error
        except redis.ResponseError as error:
            log.error("queues not read", extra={"error": str(error)})
            time.sleep(WAIT_SECONDS)
            raise Empty from error


class Transport(kombu_redis.Transport):
    Channel = Channel

"""Celery's transport: kombu's for Redis, which goes on where what lies in the queues is no message.

Without this, one value that cannot be read ends a worker, with all that it is at.
"""

from __future__ import annotations

import logging
import time
from queue import Empty
from typing import Any

import redis
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual

UNREADABLE = (TypeError, ValueError, LookupError, AttributeError)  # what kombu raises for what it cannot read
WAIT_SECONDS = 1.0  # before the next look where a queue is of another type: it would fail again at once

log = logging.getLogger(__name__)


class QoS(kombu_redis.QoS):
    """What workers hold: what cannot be given to another worker is dropped."""

    def ack(self, delivery_tag: Any) -> None:
        try:
            super().ack(delivery_tag)
        except redis.ResponseError as error:  # it may be done again when its lease has run out: that does no harm
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
        """The next message. Raises Empty when there is none, and for what is none: that is dropped."""
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

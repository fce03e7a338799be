"""The worker's application under the name that it had before: `celery -A mam.transcoding.tasks` works for a release."""

from mam.worker.tasks import app

__all__ = ["app"]

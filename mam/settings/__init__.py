"""The settings: those of the store, the credentials, and all others, in one class."""

from mam.settings.credentials import PLACEHOLDER
from mam.settings.settings import (
    MAX_SIGNED_URL_SECONDS,
    SAME_URL_SECONDS,
    SERVICES_ALONE,
    Settings,
    StoreKeySettings,
    WorkerSettings,
    worker_settings,
)
from mam.settings.store import MAX_OBJECT_BYTES, StoreKey

__all__ = [
    "MAX_OBJECT_BYTES",
    "MAX_SIGNED_URL_SECONDS",
    "PLACEHOLDER",
    "SAME_URL_SECONDS",
    "SERVICES_ALONE",
    "Settings",
    "StoreKey",
    "StoreKeySettings",
    "WorkerSettings",
    "worker_settings",
]

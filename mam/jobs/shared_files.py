"""Lock files that all workers of a machine, a broker and a user share."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from mam.errors import Unavailable
from mam.settings import Settings


def shared_file(settings: Settings, name: str) -> Path:
    """A file for locks that all workers of a machine, a broker and a user share."""
    broker = f"{settings.redis_host}:{settings.redis_port}/{settings.broker_db}:{os.getuid()}"
    return own_folder() / f"mam-{name}-{hashlib.sha256(broker.encode()).hexdigest()[:12]}.lock"


def own_folder() -> Path:
    """A folder that only this user can write: in a shared one, other users could hold a lock or plant a link.

    Raises Unavailable where the name belongs to another user.
    """
    folder = Path(tempfile.gettempdir()) / f"mam-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise Unavailable(
            f"{folder} is not a folder of this user alone.", hint="Remove it, or set TMPDIR to another one."
        )
    return folder

"""Files that operators change while a service runs: read at the start, and again after each change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from mam.background import Periodic

FILE_SECONDS = 2.0  # A changed file is noticed within this time.

T = TypeVar("T")

log = logging.getLogger(__name__)


class WatchedFile(Periodic, Generic[T]):
    """The contents of a file, current within FILE_SECONDS. While a changed file cannot be read, those of before stay.

    `setting`: the name of the setting that names the file, for error messages. `parse` raises ValueError in words.
    `if_missing`: the text of a file that does not exist; None where it must exist.
    """

    def __init__(
        self,
        setting: str,
        path: Path,
        parse: Callable[[str], T],
        changed: Callable[[T], None],
        *,
        what: str,
        if_missing: str | None = None,
    ) -> None:
        super().__init__(what, FILE_SECONDS)
        self._setting = setting
        self._path = path
        self._parse = parse
        self._changed = changed
        self._what = what
        self._if_missing = if_missing
        self._seen: object = None
        self._trouble = ""

    async def start(self) -> None:
        """Reads the file for the first time. Raises ValueError in words for the operator."""
        try:
            await asyncio.to_thread(self._look)
        except (OSError, ValueError) as error:
            raise ValueError(f"{self._setting}={self._path}: {error}") from error
        await super().start()

    async def take_turn(self) -> None:
        trouble = ""
        try:
            await asyncio.to_thread(self._look)
        except (OSError, ValueError) as error:
            trouble = str(error)
        if trouble and trouble != self._trouble:  # it is reported once
            log.error(f"{self._what} not read", extra={"file": str(self._path), "error": trouble})
        self._trouble = trouble

    def _look(self) -> None:
        text: str | None = None
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except FileNotFoundError:
            if self._if_missing is None:
                raise
            seen, text = (0, 0, 0), self._if_missing
        if seen != self._seen:
            self._changed(self._parse(self._path.read_text("utf-8") if text is None else text))
            self._seen = seen

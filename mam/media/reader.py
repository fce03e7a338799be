"""Ranged reads of one version of an object."""

from __future__ import annotations

import io

from mam.errors import SourceChanged, TruncatedMedia
from mam.hls.plan import Source
from mam.store.objects import Store

BLOCK = 4 << 20  # This many bytes are fetched at a time for libavformat, which reads in small steps.


class ObjectReader:
    """Reads one version, `source`: a changed object raises SourceChanged where the store gives ETags."""

    def __init__(self, store: Store, source: Source) -> None:
        self._store = store
        self._source = source

    @property
    def key(self) -> str:
        return self._source.key

    @property
    def size(self) -> int:
        return self._source.size

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`, all of them. Raises TruncatedMedia, SourceChanged, NotFound."""
        if stop > self.size:
            raise TruncatedMedia(f"Media up to byte {stop} is needed, the object ends at byte {self.size}.")
        data = self._store.read(self._source.bucket, self._source.key, start, stop, etag=self._source.etag)
        if len(data) != stop - start:
            raise SourceChanged(f"Asked for {stop - start} bytes of the source, got {len(data)}.")
        return data


class ObjectFile(io.RawIOBase):
    """The object as a seekable file for libavformat, which never gets a URL."""

    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader
        self._position = 0
        self._block, self._block_start = b"", 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._reader.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        remaining = self._reader.size - self._position
        if remaining <= 0:
            return b""
        offset = self._position - self._block_start
        if not 0 <= offset < len(self._block):
            self._block = self._reader.read(self._position, self._position + min(BLOCK, remaining))
            self._block_start, offset = self._position, 0
        data = self._block[offset : offset + size] if size >= 0 else self._block[offset:]
        self._position += len(data)
        return data

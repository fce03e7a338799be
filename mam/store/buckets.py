"""An earlier name of `python -m mam store-keys`: `python -m mam.store.buckets`."""

from __future__ import annotations

import sys

from mam.store import keys

if __name__ == "__main__":
    sys.exit(keys.main())

"""The environment of a worker: what the service hands to one that it starts, and what a worker keeps of its own."""

from __future__ import annotations

import os

from mam.settings import SERVICES_ALONE, Settings

READY_PIPE = "MAM_READY_PIPE"  # environment of a worker: the file descriptor of a pipe to its service
# Variables that a worker keeps, by how their names begin: what Python, Celery and libraries go by. Nothing else that
# the operator's shell holds is any business of a process that opens strangers' files.
KEPT_VARIABLES = (
    "PATH", "HOME", "USER", "LOGNAME", "HOSTNAME", "TMPDIR", "TZ", "LANG", "LC_", "LD_", "DYLD_", "GLIBC_", "MALLOC_",
    "SSL_CERT_", "PYTHON", "VIRTUAL_ENV", "OMP_", "OPENBLAS_", "MKL_", "IMAGEIO_FFMPEG_EXE", "MAM_",
    "CELERY_", "C_", "MP_LOG", "_MP_", "FORKED_BY_MULTIPROCESSING", "NOSETPS", "REMAP_SIGTERM",
)  # fmt: skip


def environment() -> dict[str, str]:
    """What the service gives to a worker: its settings but for those of SERVICES_ALONE, and the kept variables."""
    needed = {*Settings.model_fields} - SERVICES_ALONE
    return {name: value for name, value in os.environ.items() if is_kept(name) or name.lower() in needed}


def is_kept(name: str) -> bool:
    return name.startswith(KEPT_VARIABLES)

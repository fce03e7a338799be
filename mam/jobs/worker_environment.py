"""The environment of a worker: what the service passes to one that it starts, and what a worker keeps of its own."""

from __future__ import annotations

import os

from mam.settings import SERVICES_ALONE, Settings

READY_PIPE = "MAM_READY_PIPE"  # This variable gives a worker the file descriptor of a pipe to its service.
# A worker keeps the variables whose names begin with one of these: Python, Celery and libraries read them. A process
# that opens untrusted files must not hold anything else of the operator's environment.
KEPT_VARIABLES = (
    "PATH", "HOME", "USER", "LOGNAME", "HOSTNAME", "TMPDIR", "TZ", "LANG", "LC_", "LD_", "DYLD_", "GLIBC_", "MALLOC_",
    "SSL_CERT_", "PYTHON", "VIRTUAL_ENV", "OMP_", "OPENBLAS_", "MKL_", "IMAGEIO_FFMPEG_EXE", "MAM_",
    "CELERY_", "C_", "MP_LOG", "_MP_", "FORKED_BY_MULTIPROCESSING", "NOSETPS", "REMAP_SIGTERM",
)  # fmt: skip


def environment() -> dict[str, str]:
    """The environment for a worker: the settings except those of SERVICES_ALONE, and the kept variables."""
    needed = {*Settings.model_fields} - SERVICES_ALONE
    return {name: value for name, value in os.environ.items() if is_kept(name) or name.lower() in needed}


def is_kept(name: str) -> bool:
    """Whether a worker keeps the variable."""
    return name.startswith(KEPT_VARIABLES)

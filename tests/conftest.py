"""What all tests share: an environment in which nothing of the machine's own settings is left, and a media folder."""

from __future__ import annotations

import os

import pytest

from mam.settings import Settings
from tests.media import MediaFolder

for _name in Settings.model_fields:  # before any test module is imported: Celery's settings are read at import
    os.environ.pop(_name.upper(), None)
os.environ["TRANSCODE_API_KEY"] = "the key of the tests"
Settings.model_config["env_file"] = None  # nor of a .env in the checkout


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> MediaFolder:
    """Real media files, made once per session, also where several processes run its tests."""
    base = tmp_path_factory.getbasetemp()
    return MediaFolder((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "media")

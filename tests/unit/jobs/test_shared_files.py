"""Files that workers of a machine share: where nobody else can have them first."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from mam.errors import Unavailable
from mam.jobs.shared_files import own_folder, shared_file
from mam.settings import Settings


@pytest.fixture
def everybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that all may write to."""
    tmp_path.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def settings() -> Settings:
    return Settings(_env_file=None, transcode_api_key="the key of the tests is no secret")


def test_shared_files_lie_in_a_folder_of_this_user_alone(everybodys: Path) -> None:
    file = shared_file(settings(), "workers")
    assert file.parent.parent == everybodys
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert shared_file(settings(), "workers") == file, "also the second time"


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o720, 0o755, 0o777])
def test_a_folder_that_others_may_enter_is_refused(everybodys: Path, mode: int) -> None:
    own_folder().chmod(mode)
    with pytest.raises(Unavailable, match="this user alone"):
        shared_file(settings(), "urgency")


@pytest.mark.parametrize("aim", ["folder", "nothing"])
def test_a_link_of_somebody_else_is_not_followed(
    everybodys: Path, tmp_path_factory: pytest.TempPathFactory, aim: str
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / aim
    if aim == "folder":
        elsewhere.mkdir(mode=0o700)
    name = own_folder().name
    own_folder().rmdir()
    (everybodys / name).symlink_to(elsewhere)
    with pytest.raises(Unavailable):
        shared_file(settings(), "workers")
    assert aim == "folder" or not elsewhere.exists()


def test_a_file_in_its_place_is_refused(everybodys: Path) -> None:
    name = own_folder().name
    own_folder().rmdir()
    (everybodys / name).write_text("")
    with pytest.raises(Unavailable):
        own_folder()

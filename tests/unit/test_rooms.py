"""The import graph: imports point down, and each room knows only what it may (docs/architecture.md)."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ("video_transcoding_main_server", "vod_main_server")
OLD_NAME_OF_TASKS = "mam.transcoding.tasks"  # for a release
LEAVES = {
    "mam.background",
    "mam.errors",
    "mam.naming",
    "mam.playback_rules",
    "mam.rung_table",
    "mam.settings",
    "mam.stored",
    "mam.watched_file",
}

# What a room's modules may import of this project, besides their own room and what every room may.
ROOMS: dict[str, set[str]] = {
    "mam.errors": set(),
    "mam.naming": {"mam.errors"},
    "mam.playback_rules": {"mam.errors", "mam.naming"},
    "mam.settings": {"mam.playback_rules", "mam.processes", "mam.rung_table"},
    "mam.processes": set(),
    "mam.rung_table": set(),
    "mam.sandbox": set(),
    "mam.stored": set(),
    "mam.background": set(),
    "mam.watched_file": {"mam.background"},
    "mam.credentials": LEAVES,
    "mam.breaker": set(),
    "mam.connections": {"mam.breaker", "mam.settings"},
    "mam.events": {"mam.background", "mam.connections", "mam.settings", "mam.stored"},
    "mam.hls": {"mam.errors", "mam.naming", "mam.rung_table"},
    "mam.mp4": {"mam.errors"},
    "mam.store": LEAVES | {"mam.breaker"},
    "mam.origin": LEAVES | {"mam.hls", "mam.store"},
    "mam.singleflight": set(),
    "mam.cache": LEAVES | {"mam.events", "mam.hls"},
    "mam.access": LEAVES | {"mam.cache", "mam.credentials", "mam.hls"},
    "mam.media": LEAVES | {"mam.hls", "mam.mp4", "mam.processes", "mam.sandbox", "mam.store"},
    "mam.check": {"mam.errors"},  # it must not believe what it judges
    "mam.__main__": {"mam.check", "mam.credentials", "mam.errors", "mam.store"},
    "mam.http": LEAVES
    | {"mam.credentials", "mam.hls"},  # the words of a conversion, for the client of the transcoding service
    "mam.web": LEAVES | {"mam.credentials", "mam.http"},
    "mam.uploads": LEAVES | {"mam.credentials", "mam.events", "mam.hls", "mam.http", "mam.singleflight", "mam.store"},
    "mam.library": LEAVES | {"mam.connections", "mam.credentials", "mam.events", "mam.hls", "mam.http", "mam.store"},
    "mam.vod": LEAVES
    | {
        "mam.access",
        "mam.cache",
        "mam.connections",
        "mam.credentials",
        "mam.events",
        "mam.hls",
        "mam.http",
        "mam.library",
        "mam.origin",
        "mam.singleflight",
        "mam.store",
        "mam.uploads",
        "mam.web",
        "redis_adapter",
    },
    "mam.jobs": LEAVES
    | {
        "mam.connections",
        "mam.events",
        "mam.hls",
        "mam.library",
        "mam.origin",
        "mam.processes",
        "mam.store",
    },
    "mam.worker": LEAVES
    | {
        "mam.connections",
        "mam.events",
        "mam.hls",
        "mam.http",
        "mam.jobs",
        "mam.library",
        "mam.media",
        "mam.mp4",
        "mam.origin",
        "mam.processes",
        "mam.sandbox",
        "mam.store",
        "redis_adapter",
    },
    "mam.transcoding": LEAVES
    | {
        "mam.cache",
        "mam.connections",
        "mam.credentials",
        "mam.events",
        "mam.hls",
        "mam.http",
        "mam.jobs",
        "mam.origin",
        "mam.processes",
        "mam.store",
        "mam.worker",  # OLD_NAME_OF_TASKS alone
        "redis_adapter",
    },
    "redis_adapter": {"mam.cache", "mam.connections", "mam.events", "mam.settings"},
    "vod_main_server": LEAVES | {"mam.http", "mam.library", "mam.uploads", "mam.vod", "mam.web"},
    "video_transcoding_main_server": LEAVES | {"mam.http", "mam.transcoding"},
}
# What a room's modules may import besides the standard library and this project; rooms that are not here, anything.
PACKAGES: dict[str, set[str]] = {
    "mam.errors": set(),
    "mam.naming": set(),
    "mam.processes": set(),
    "mam.rung_table": {"pydantic"},
    "mam.sandbox": set(),
    "mam.settings": {"pydantic", "pydantic_settings", "typing_extensions"},
    "mam.events": {"redis"},
    "mam.background": set(),
    "mam.watched_file": set(),
    "mam.credentials": {"pydantic", "pydantic_settings", "redis"},
    "mam.stored": {"pydantic", "redis"},
    "mam.hls": {"charset_normalizer", "pydantic"},
    "mam.mp4": {"numpy"},
    "mam.check": {"av", "numpy", "requests", "urllib3"},
}


@cache
def modules() -> dict[str, Path]:
    """Every module of the project by name."""
    paths = [*(ROOT / "mam").rglob("*.py"), *(ROOT / f"{name}.py" for name in (*SERVERS, "redis_adapter"))]
    return {name_of(path): path for path in sorted(paths)}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(module: str) -> frozenset[str]:
    """Full names of all modules that a module imports anywhere in it, lazily too; TYPE_CHECKING counts."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(modules()[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative imports are not used here"
            base = node.module or ""
            parts = {f"{base}.{alias.name}" for alias in node.names}
            found |= {part if part in modules() else base for part in parts}
    return frozenset(found)


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("mam", "redis_adapter", *SERVERS)


def importers(*, of: str) -> set[str]:
    return {module for module in modules() if any(name == of or name.startswith(of + ".") for name in imports(module))}


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_its_room_may(module: str) -> None:
    if module == "mam":
        assert not imports(module)
        return
    room = room_of(module)
    allowed = ROOMS.get(room)
    assert allowed is not None, f"{room} is a new room: say here what it may import"
    foreign = {room_of(name) for name in imports(module) if is_ours(name)} - {room}
    assert foreign <= allowed


@pytest.mark.parametrize("module", [module for module in modules() if room_of(module) in PACKAGES])
def test_pure_rooms_import_only_the_packages_that_they_name(module: str) -> None:
    packages = {name.partition(".")[0] for name in imports(module) if not is_ours(name)} - sys.stdlib_module_names
    assert packages <= PACKAGES[room_of(module)]


def test_no_module_imports_a_server() -> None:
    assert not set().union(*(importers(of=server) for server in SERVERS))


def test_vod_and_transcoding_speak_http_and_never_import_each_other() -> None:
    rooms = {(room_of(module), room_of(name)) for module in modules() for name in imports(module)}
    assert ("mam.vod", "mam.transcoding") not in rooms
    assert ("mam.transcoding", "mam.vod") not in rooms
    assert "vod_main_server" not in importers(of="mam.transcoding")
    assert "video_transcoding_main_server" not in importers(of="mam.vod")


def test_the_store_alone_imports_minio() -> None:
    assert {"mam.store"} == {room_of(module) for module in importers(of="minio")}


def test_no_private_method_of_the_sdk_is_called() -> None:
    """Requests that the SDK does not have are sent by mam/store/requests.py."""
    private = [
        f"{module}: {node.attr}"
        for module in modules()
        if room_of(module) == "mam.store"
        for node in ast.walk(ast.parse(modules()[module].read_text("utf-8")))
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr) and ast.unparse(node.value) != "self"
    ]
    assert not private


def test_media_is_opened_by_tasks_alone() -> None:
    outside = {module for module in importers(of="mam.media") if room_of(module) != "mam.media"}
    openers = ("context", "plan_preview", "retries", "rungs", "segments", "thumbnails", "verification")
    assert {f"mam.worker.{name}" for name in openers} == outside
    assert {"mam.check", "mam.media"} == {room_of(module) for module in importers(of="av")}
    assert {"mam.__main__"} == {module for module in importers(of="mam.check") if room_of(module) != "mam.check"}


def test_services_import_no_code_of_workers() -> None:
    """They queue tasks by name (mam/jobs/dispatch.py), and never load libav."""
    services = {"mam.jobs", "mam.transcoding", *SERVERS}
    assert {OLD_NAME_OF_TASKS} == {module for module in importers(of="mam.worker") if room_of(module) in services}
    assert not {module for module in importers(of="mam.media") if room_of(module) in services}


def test_imports_stand_at_the_top() -> None:
    """But for `mam check`: the command finds another Python where the packages that it needs are missing."""
    inside = {
        module
        for module, path in modules().items()
        for function in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert inside == {"mam.__main__"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module in done:
            return
        for name in imports(module):
            if name in modules():
                visit(name, (*path, module))
        done.add(module)

    for module in modules():
        visit(module, ())


@pytest.mark.parametrize("module", modules())
def test_a_module_begins_with_a_sentence_about_what_lives_there(module: str) -> None:
    words = ast.get_docstring(ast.parse(modules()[module].read_text("utf-8")))
    assert words
    assert words.partition("\n")[0].rstrip().endswith((".", ":", "?"))


@pytest.mark.parametrize("server", SERVERS)
def test_nothing_is_read_or_opened_at_import(server: str) -> None:
    """No settings at module level: importing a server needs no environment."""
    tree = ast.parse(modules()[server].read_text("utf-8"))
    called = {
        node.func.id
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr)
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not {"Settings", "Store", "PlaylistCache", "open"} & called

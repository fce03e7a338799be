"""The project's own command line: `python3 -m mam` lists its commands."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mam.credentials.arguments import add_arguments

if TYPE_CHECKING:
    from mam.check import Report

FOUND, NOT_FETCHED, NOT_INSTALLED = 1, 2, 3  # These are exit statuses.
ROOT = Path(__file__).resolve().parents[1]
INSTALLED = ROOT / ".venv" / "bin" / "python"  # `make` installs all packages for this Python.
# A process that was started anew has this variable, so that it is not started again and again.
NAMED = "MAM_PYTHON"


Run = Callable[[argparse.Namespace], int]


@dataclass(frozen=True)
class Command:
    """`load` imports what the command needs, and returns the function that runs it and gives the exit status."""

    about: str
    load: Callable[[], Run]
    arguments: Callable[[argparse.ArgumentParser], None]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        run = COMMANDS[options.command].load()
    except ModuleNotFoundError as error:
        return _elsewhere(error, arguments)
    return run(options)


def _elsewhere(missing: ModuleNotFoundError, arguments: Sequence[str] | None) -> int:
    """Replaces this process by the same command under the Python that has the packages; or prints what to do."""
    passed = sys.argv[1:] if arguments is None else arguments
    if INSTALLED.exists() and NAMED not in os.environ:
        sys.stdout.flush()
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, NAMED: str(INSTALLED), "PYTHONPATH": os.pathsep.join(paths)}
        os.execve(INSTALLED, [str(INSTALLED), "-m", "mam", *passed], environment)  # noqa: S606 - no shell is wanted
    print(
        f"The package {missing.name} is not installed for {sys.executable}. Run `make run` once in {ROOT}, which "
        f"installs everything into .venv, or `{sys.executable} -m pip install -r requirements.txt`; then try again.",
        file=sys.stderr,
    )
    return NOT_INSTALLED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m mam", epilog="The services are started by `make run`, or by uvicorn: see README.md."
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    for name, command in COMMANDS.items():
        command.arguments(commands.add_parser(name, help=command.about, description=command.about))
    return parser


# check


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="of a playlist")
    parser.add_argument("--quick", action="store_true", help="only the first, the last and a few segments")
    parser.add_argument("--json", action="store_true", help="the findings and what was measured, as JSON")


def _load_check() -> Run:
    from mam.check import check
    from mam.errors import MamError

    def run(options: argparse.Namespace) -> int:
        try:
            report = check(options.url, every=not options.quick)
        except MamError as error:
            print(f"{error.detail} {error.hint}", file=sys.stderr)
            return NOT_FETCHED
        print(json.dumps(report.as_json(), indent=2) if options.json else _as_text(report))
        return 0 if report.ok else FOUND

    return run


def _as_text(report: Report) -> str:
    """One line for each finding, and a summary."""
    tracks = ", ".join(
        f"{track.codec} ({track.frames})" for presentation in report.presentations for track in presentation.tracks
    )
    counts = f"{len(report.errors)} errors, {len(report.findings) - len(report.errors)} notes"
    summary = f"{counts}; {report.segments} segments, {float(report.duration):.3f} s; {tracks or 'no media'}"
    return "\n".join([*map(str, report.findings), summary])


# store-keys


def _store_keys_arguments(parser: argparse.ArgumentParser) -> None:
    only = "print the policy of each user as JSON, and create nothing"
    parser.add_argument("--print", action="store_true", dest="only_print", help=only)


def _load_store_keys() -> Run:
    from mam.store import keys

    return lambda options: keys.main(only_print=options.only_print)


# keys


def _load_keys() -> Run:
    from mam.credentials import command

    return command.main


COMMANDS = {
    "check": Command(
        "check a stream over HTTP against RFC 8216 and Apple's rules", load=_load_check, arguments=_check_arguments
    ),
    "keys": Command(
        "add, list and remove API keys with scopes (docs/access.md)", load=_load_keys, arguments=add_arguments
    ),
    "store-keys": Command(
        "create the store's buckets, and on MinIO its users with their policies (docs/access.md)",
        load=_load_store_keys,
        arguments=_store_keys_arguments,
    ),
}


if __name__ == "__main__":
    sys.exit(main())

"""The project's own command line: `python -m mam check <playlist-url>`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from mam.check import Report, check
from mam.errors import MamError

FOUND, NOT_FETCHED = 1, 2  # exit statuses


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        report = check(options.url, every=not options.quick)
    except MamError as error:
        print(f"{error.detail} {error.hint}", file=sys.stderr)
        return NOT_FETCHED
    print(json.dumps(report.as_json(), indent=2) if options.json else _told(report))
    return 0 if report.ok else FOUND


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mam")
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="check a stream over HTTP against RFC 8216 and Apple's rules")
    checking.add_argument("url", help="of a playlist")
    checking.add_argument("--quick", action="store_true", help="only the first, the last and a few segments")
    checking.add_argument("--json", action="store_true", help="the findings and what was measured, as JSON")
    return parser


def _told(report: Report) -> str:
    """Findings a line each, and a summary."""
    tracks = ", ".join(f"{each.codec} ({each.frames})" for shown in report.presentations for each in shown.tracks)
    counted = f"{len(report.errors)} errors, {len(report.findings) - len(report.errors)} notes"
    summary = f"{counted}; {report.segments} segments, {float(report.duration):.3f} s; {tracks or 'no media'}"
    return "\n".join([*map(str, report.findings), summary])


if __name__ == "__main__":
    sys.exit(main())

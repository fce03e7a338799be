"""The arguments of `python3 -m mam keys`. The command line reads them before any package is looked for."""

from __future__ import annotations

import argparse
from pathlib import Path

from mam.credentials.scopes import Scope, in_order

SETTING = "API_KEYS_FILE"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command to its parser."""
    parser.add_argument("--file", type=Path, help=f"instead of {SETTING}")
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    adding = actions.add_parser("add", help="make a key, print it once, and write its digest into the file")
    adding.add_argument("id", help="its name in the audit trail, such as ci")
    adding.add_argument("--scopes", required=True, help=f"comma-separated: {', '.join(in_order(Scope))}")
    adding.add_argument("--prefixes", help="comma-separated: only for assets that begin so, such as myvideos/ci/")
    adding.add_argument("--expires", help="after this time, such as 12h, 90d or 4w; without it never")
    adding.add_argument("--rate", type=int, default=0, help="requests a minute; without it any number")
    actions.add_parser("list", help="the keys, without their text")
    removing = actions.add_parser("remove", help="remove a key; services refuse it within seconds")
    removing.add_argument("id")

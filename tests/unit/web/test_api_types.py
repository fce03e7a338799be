"""The types of the pages are generated from files: they are what the services describe."""

from __future__ import annotations

from dev import openapi


def test_the_pages_types_are_generated_from_what_the_services_describe() -> None:
    for path, expected in openapi.documents().items():
        assert path.read_text() == expected, f"{path.name} is not up to date: run `make openapi`, then `make pages`"

"""Tests that share something dear run in one process: pytest and pytest-xdist must agree on how."""

from __future__ import annotations

import pytest


def test_the_unit_tests_of_a_module_are_one_group(request: pytest.FixtureRequest) -> None:
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("the tests run in one process, or are not grouped")
    assert request.node.nodeid.endswith("@tests/unit/test_grouping.py")

"""Hypothesis profiles: `quick` is what everyone runs, `HYPOTHESIS_PROFILE=thorough` looks much further."""

from __future__ import annotations

import os

import av.logging
from hypothesis import HealthCheck, settings

SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "quick", max_examples=100, derandomize=True, database=None, deadline=None, suppress_health_check=SLOW_IS_FINE
)
settings.register_profile(
    "thorough", max_examples=5000, print_blob=True, deadline=None, suppress_health_check=SLOW_IS_FINE
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

av.logging.set_level(None)  # libav has much to say about damaged files

"""Recipes with the default settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mam.hls.recipe import Format, Profile, Recipe, Wanted
from mam.settings import WorkerSettings

DEFAULTS = WorkerSettings.model_construct()  # Neither the environment nor a file is read.


def recipe_of(profile: Profile, form: Format = Format.TS, **changed: Any) -> Recipe:
    """A recipe. `changed`: fields that are not as the settings have them."""
    return replace(Wanted(profile, form).recipe(DEFAULTS), **changed)

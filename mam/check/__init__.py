"""Checks a stream like a player, over HTTP, against RFC 8216 and Apple's HLS Authoring Specification."""

from mam.check.checker import check
from mam.check.report import Finding, Report

__all__ = ["Finding", "Report", "check"]

"""Playback tokens: their keys, their claims, what they permit, and which of them were revoked."""

"""Rendered playlists: in this process's memory, and in Redis for all processes."""

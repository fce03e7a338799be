"""HLS as values: timelines, plans and playlists. Pure: no I/O, no clock, no other room's types."""

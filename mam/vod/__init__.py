"""Which playlist to give out. Speaks to the transcoding service over HTTP alone."""

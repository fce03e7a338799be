"""Workers: their tasks and what the tasks need. Only this package and `mam.media` open media."""

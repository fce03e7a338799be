"""What a worker does: the tasks, and all that they need. Media is opened here and in `mam.media` alone."""

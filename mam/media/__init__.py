"""Opens media. Only tasks import it, in worker processes, which may crash."""

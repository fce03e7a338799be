"""Opens media. Imported by tasks alone, in worker processes, which may crash."""

"""API keys: which there are, what each may do, and for which assets."""

"""The bucket's layout: what is live, what replaced it, and what may be removed."""

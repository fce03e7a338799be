"""The library: which videos the source buckets hold, and what is known of each. Kept in memory, in step with Redis."""

"""The library: the videos in the source buckets and their statuses. Kept in memory, in step with Redis."""

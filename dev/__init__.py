"""What a developer needs and production does not: `make run`, a Redis and an S3 server where none are installed."""

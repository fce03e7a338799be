"""Conversions: their state in Redis, the tasks that do them, and the worker the service starts itself."""

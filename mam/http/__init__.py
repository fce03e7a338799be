"""The HTTP parts that both services share: problems, the API key, health, logging and metrics."""

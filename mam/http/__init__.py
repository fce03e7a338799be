"""What both services share over HTTP: problems, the API key, health, logging and metrics."""

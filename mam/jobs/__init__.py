"""Jobs as both the services and the workers know them: their state, claims, orders and queues, all in Redis."""

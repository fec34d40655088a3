"""`tidegate check`: what would lose data here, at the brokers and at the hub."""

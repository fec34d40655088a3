"""The source that subscribes to an MQTT broker, and the check of that broker."""

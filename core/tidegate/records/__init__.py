"""What is admitted: records, their running hash, streams, spans, topics, and when it was."""

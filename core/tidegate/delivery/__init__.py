"""When to send what: the streams over one line to one target, with all its waiting."""

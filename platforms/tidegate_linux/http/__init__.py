"""The link to a hub over HTTP."""

"""`tidegate demo`: the whole chain on one machine, and its balance sheet."""

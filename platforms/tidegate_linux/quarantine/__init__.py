"""`tidegate quarantine`: what a receiver refused, and what rot and salvages left, in one place."""

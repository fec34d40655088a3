"""What a gateway tells of itself: surveyed by the engine, served, and printed."""

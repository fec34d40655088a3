"""What the broker knows: explicit state, and the rules that keep it bounded and whole."""

"""From a tree of plain values to settings, or to the one error that says what is wrong."""

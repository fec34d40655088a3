"""Freeze a Tidegate node into a MicroPython firmware: FROZEN_MANIFEST=.../manifest.py.

Frozen, the node's bytecode runs from flash and takes no heap.  build/micropython.py appends what is
frozen, and the libraries it needs; the sources lie beside this file, in src/.  A board's own
manifest comes first: include it here, or name this one in it.
"""

"""Configuration: every key described once, read, checked and advised on."""

"""Frozen values. No I/O, no clock, no logging."""

"""Cboe delayed quotes."""

"""Polymarket odds."""

"""Brokers and the worker that hands approved orders to them, once."""

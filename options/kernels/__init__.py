"""Compiled loops over arrays: the engine's hot paths. Everything else in `options` calls them, never the reverse.

A kernel module imports from no other kernel module but those named in `compiled.SHARED`.
"""

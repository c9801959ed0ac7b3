"""Composition root: command line, services, settings, wiring, scheduler, health."""

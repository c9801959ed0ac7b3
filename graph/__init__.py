"""The decision graph: a table of contents in `build`, one short node a step."""

"""Parse-only readers of market data files: a file becomes canonical chains, bars, series, posts and events."""

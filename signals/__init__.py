"""Pure measures of the market and how they become signals, composites, a ranking and a regime."""

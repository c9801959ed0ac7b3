"""What the book loses when the market does what it did before, moves along a grid, or is drawn at random. Pure."""

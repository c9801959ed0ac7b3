"""Pure book: a fold over fills, its value, exposure and worst case."""

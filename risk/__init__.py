"""Pure gate, hard limits, rules and sizing. Sizes can only shrink from here on."""

"""Pure option analytics: pricing, implied volatility, Greeks, chains, exposure, payoff, structures, legs."""

"""The limits of the desk beside their peers and budgets, one module a task; `benchmarks/risk.py` runs them all."""

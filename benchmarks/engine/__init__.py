"""The options engine beside its peers, one module a task; `benchmarks/options.py` runs them all."""

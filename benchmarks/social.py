"""Reading the crowd: how fast, how well, and whether in time. Every module of `PARTS`, one run.

Each part can be run alone, e.g. `python -m benchmarks.social_text`. What needs the shared data or an extra says so
where they are missing, and is then neither met nor missed.
"""

import importlib

PARTS = {
    "social_text": "text pipeline, no model",
    "social_finbert": "FinBERT, int8 against fp32",
    "social_sets": "labelled sets",
    "social_history": "January 2021, and false fires",
}


def main() -> bool:
    """Print every part; whether every target is met."""
    missed: list[str] = []
    for part, title in PARTS.items():
        print(f"\n### {title}", flush=True)
        if not importlib.import_module(f"benchmarks.{part}").main():
            missed.append(title)
    print("\nmissed: " + ("; ".join(missed) or "nothing"))
    return not missed

"""Text pipeline without a model: clean, extract, score, tell copies. `python -m benchmarks.social_text`

Real posts where the shared data lie (DESK_DATA or ../shared/data), else made ones. Every text is met for the first
time: its words may be known, as in a desk that has read for a while; the first pass of a process, which knows none, is
printed beside. Two worker processes, as two cores would share a backlog; the target is 5,000 posts a second together.
"""

import multiprocessing
import os
import random
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import yaml

from feeds.text import clean
from signals.sentiment import score
from signals.social.context import context_of
from signals.social.extraction import Listings, NameIndex, name_index, tickers_in
from signals.social.stories import band_keys, signatures

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("DESK_DATA", ROOT.parent / "shared" / "data")) / "reddit_wsb" / "wsb_posts_2021_01_02.csv.gz"
WORKERS = 2
POSTS = 20_000
TARGET = 5_000.0
CHUNK = 500
SAMPLE = 2_000
_READER: dict[str, tuple[frozenset[str], NameIndex]] = {}  # of a worker process


def main() -> bool:
    """Print posts a second of each step and of the whole; whether the target is met."""
    texts = corpus(POSTS)
    lengths = np.array([len(text) for text in texts])
    print(f"  {len(texts):,} posts, median {np.median(lengths):.0f} characters, mean {lengths.mean():.0f}")
    listings = Listings.model_validate(yaml.safe_load((ROOT / "config" / "tickers.yaml").read_text(encoding="utf-8")))
    chunks = [texts[at : at + CHUNK] for at in range(0, len(texts), CHUNK)]
    fresh = multiprocessing.get_context("spawn")  # workers that have read nothing, whatever this process has
    with ProcessPoolExecutor(WORKERS, mp_context=fresh, initializer=_start, initargs=(listings,)) as pool:
        first = list(pool.map(read, chunks[: 2 * WORKERS]))
        begun = time.perf_counter()
        answers = list(pool.map(read, chunks))
        rate = len(texts) / (time.perf_counter() - begun)
    busy = WORKERS * len(texts) / sum(seconds for _, seconds in answers)
    begun_with = WORKERS * CHUNK * len(first) / sum(seconds for _, seconds in first)
    print(f"  whole    {rate:9,.0f} posts/s on {WORKERS} cores by the wall (target >= {TARGET:,.0f})")
    print(f"           {busy:9,.0f} posts/s by the workers' own processor time: what {WORKERS} free cores would do")
    print(f"           {begun_with:9,.0f} posts/s likewise for the first {CHUNK * len(first):,}, read by new processes")
    print(f"           {sum(named for named, _ in answers):,} posts name a listing of config/tickers.yaml")
    for step, seconds in steps(texts[:SAMPLE], listings).items():
        print(f"  {step:8s} {SAMPLE / seconds:9,.0f} posts/s of processor time on one core")
    return rate >= TARGET


def corpus(count: int) -> list[str]:
    """`count` texts, none twice: a number is worked into each, so that no text is known already."""
    if DATA.exists():
        import pandas as pd

        table = pd.read_csv(DATA)
        whole = [f"{title}\n{text}" for title, text in zip(table.title, table.text.fillna(""), strict=True)]
    else:
        words = np.random.default_rng(7)
        whole = [
            " ".join(words.choice(["profit", "GME", "to", "the", "moon", "rises", "Tesla", "and"], 90))
            for _ in range(500)
        ]
    random.Random(7).shuffle(whole)
    return [f"{whole[at % len(whole)]} {at}" for at in range(count)]


def read(texts: Sequence[str]) -> tuple[int, float]:
    """Clean, extract, score and tell copies over one chunk: texts that name a listing, and processor seconds."""
    begun = time.process_time()
    universe, names = _READER["names"]
    plain = [clean(text) for text in texts]
    tickers = [tickers_in(text, universe, names) for text in plain]
    for text in plain:
        score(text)
    band_keys(signatures(plain))
    return sum(map(bool, tickers)), time.process_time() - begun


def steps(texts: Sequence[str], listings: Listings) -> dict[str, float]:
    """Processor seconds of each step over `texts`, one process, words met before."""
    universe, names = frozenset(listings.listings), name_index(listings)
    plain = [clean(text) for text in texts]
    work = {
        "clean": lambda: [clean(text) for text in texts],
        "extract": lambda: [tickers_in(text, universe, names) for text in plain],
        "score": lambda: [score(text) for text in plain],
        "reason": lambda: [context_of(text) for text in plain],
        "copies": lambda: band_keys(signatures(plain)),
    }
    taken: dict[str, float] = {}
    for name, run in work.items():
        run()
        begun = time.process_time()
        run()
        taken[name] = time.process_time() - begun
    return taken


def _start(listings: Listings) -> None:
    _READER["names"] = (frozenset(listings.listings), name_index(listings))
    score("warm")


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)

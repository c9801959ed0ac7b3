"""How well social text is read: mood on three labelled sets, and whom a post names. `python -m benchmarks.social_sets`

The shared data are read where they lie (DESK_DATA or ../shared/data). Mood stands beside VADER (Hutto and Gilbert 2014)
and beside saying the commonest class every time, on the half of each set that the lexicon was not developed on and on
the other. Names are judged on the hand-labelled posts of tests/signals/ticker_labels.json, in halves likewise.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from app.services.sentiment import evaluate
from domain.sentiment import Sentiment
from feeds.sentiment.labelled import Half, read_labelled
from signals.sentiment import LexiconModel
from signals.social.extraction import Listings, name_index, tickers_in

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("DESK_DATA", ROOT.parent / "shared" / "data"))
LABELS = ROOT / "tests" / "signals" / "ticker_labels.json"
ACCURACY, MACRO_F1 = 0.70, 0.60  # wanted on the PhraseBank


class LabelledSet(NamedTuple):
    """A file of labelled sentences, and how it is read."""

    file: str
    agreement: int | None = None


SETS = {
    "PhraseBank": LabelledSet("sentiment_phrasebank/phrasebank_a.csv", agreement=75),
    "FiQA": LabelledSet("sentiment_fiqa/fiqa_a.csv"),
    "tweets": LabelledSet("sentiment_twitter/twitter_finance_a.csv.gz"),
}


class Vader:
    """The peer as a `domain.ports.SentimentModel`, with its authors' neutral band."""

    name, band = "vader", 0.05

    def __init__(self) -> None:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._analyser = SentimentIntensityAnalyzer()

    def score(self, texts: Sequence[str]) -> tuple[Sentiment, ...]:
        """See the port."""
        return tuple(Sentiment(score=self._analyser.polarity_scores(t)["compound"], model="vader") for t in texts)


def main() -> bool:
    """Print both tables; True where the data are not there, since nothing was measured."""
    if not DATA.is_dir():
        print("  not measured: the shared data are not there (set DESK_DATA)")
        return True
    return all([*map(mood, SETS), names("develop"), names("report")])


def mood(name: str) -> bool:
    """Print one set; whether the lexicon is above VADER and the majority on both halves, and above the bar."""
    path, agreement = DATA / SETS[name].file, SETS[name].agreement
    halves: tuple[Half, ...] = ("developed", "held-out")
    met = True
    for half in halves:
        labelled = read_labelled(path, half=half, agreement=agreement)
        ours, peer = evaluate(LexiconModel(), labelled, file=path), evaluate(Vader(), labelled, file=path)
        print(
            f"  {name:10s} {half:9s} {ours.texts:5d} texts: accuracy {ours.accuracy:.3f}, "
            f"macro-F1 {ours.macro_f1:.3f}; VADER {peer.accuracy:.3f}, {peer.macro_f1:.3f}; "
            f"majority {ours.majority:.3f}; {ours.sentences_per_s:,.0f} sentences/s",
            flush=True,
        )
        above = ours.accuracy > max(peer.accuracy, ours.majority) and ours.macro_f1 > peer.macro_f1
        met = met and above and (name != "PhraseBank" or (ours.accuracy >= ACCURACY and ours.macro_f1 >= MACRO_F1))
    return met


def names(half: str) -> bool:
    """Print precision and recall of the tickers found in one half; whether both are 0.9 and 0.85 or more."""
    rows = labelled_posts(DATA, half)
    listings = Listings.model_validate(yaml.safe_load((ROOT / "config" / "tickers.yaml").read_text(encoding="utf-8")))
    universe, index = frozenset(listings.listings), name_index(listings)
    read = [(frozenset(tickers_in(text, universe, index)), wanted) for text, wanted, _ in rows]
    hits = sum(len(found & wanted) for found, wanted in read)
    precision = hits / sum(len(found) for found, _ in read)
    recall = hits / sum(len(wanted) for _, wanted in read)
    print(f"  tickers    {half:9s} {len(rows):5d} posts: precision {precision:.3f}, recall {recall:.3f}")
    return precision >= 0.9 and recall >= 0.85


def labelled_posts(data: Path, half: str) -> list[tuple[str, frozenset[str], str]]:
    """Text, tickers that a reader found in it, and id: half `develop` or `report`, by the id's hash."""
    import pandas as pd

    labels = json.loads(LABELS.read_text(encoding="utf-8"))
    reddit = data / "reddit_wsb"
    posts = pd.read_csv(reddit / "wsb_posts_2021_01_02.csv.gz").drop_duplicates("id").set_index("id")
    slugs = pd.read_csv(reddit / "gme_posts_2021q1.csv.gz").drop_duplicates("id").set_index("id")
    texts = {post: f"{posts.title[post][:140]} . {str(posts.text.fillna('')[post])[:130]}" for post in labels["wsb"]}
    texts |= {post: slugs.slug[post].replace("_", " ") for post in labels["gme"]}
    wanted = 0 if half == "develop" else 1
    return [
        (texts[post], frozenset(said.split()), post)
        for post, said in {**labels["wsb"], **labels["gme"]}.items()
        if int(hashlib.sha256(post.encode()).hexdigest()[0], 16) % 2 == wanted
    ]


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)

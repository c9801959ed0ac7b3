"""FinBERT's size in two ways: int8 by onnxruntime, exported as `desk sentiment export` does, and transformers in fp32.

Random weights of BERT-base (Devlin et al. 2019, arXiv:1810.04805: 12 layers of 768, 110 million weights) take the same
time as trained ones. Both read the same sentences on the same threads, in interleaved rounds, the peer as its own
documentation tells for processors: unbatched. Its best case, batches of like lengths, stands beside. Best rounds are
compared: other work on the machine only ever slows, and torch most.
"""

import importlib.util
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.social_sets import DATA, SETS
from feeds.sentiment.export import export_int8
from feeds.sentiment.labelled import read_labelled
from feeds.sentiment.onnx_finbert import OnnxFinbert
from feeds.sentiment.settings import SentimentSettings

NEEDED = ("torch", "transformers", "onnxscript", "onnx", "onnxruntime")
SENTENCES = 64
ROUNDS = 5
BATCH = 32  # of the peer's best case
THREADS = min(2, os.cpu_count() or 1)
TARGET = 3.0
VOCABULARY = 30_522
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LABELS = {0: "positive", 1: "negative", 2: "neutral"}


def main() -> bool:
    """Print sentences a second of both and their ratio; True where an extra is missing, since nothing was measured."""
    print(f"  BERT-base with random weights, {SENTENCES} sentences, {THREADS} threads each", flush=True)
    for package in NEEDED:
        if importlib.util.find_spec(package) is None:
            print(f"  not measured: {package} is not installed")
            return True
    sentences = read(SENTENCES)
    with tempfile.TemporaryDirectory(prefix="desk-bench-") as name:
        folder = Path(name)
        made(folder / "fp32", sentences)
        settings = SentimentSettings(threads=THREADS)
        report = export_int8(folder / "fp32", folder / "int8", settings)
        print(
            f"  {report.original_megabytes:.0f} MB exported to {report.megabytes:.0f} MB, scores differ by at most "
            f"{report.largest_change:.4f}"
        )
        readers: dict[str, Callable[[Sequence[str]], object]] = {
            "transformers fp32": pipeline(folder / "fp32", batch_size=1),
            "onnxruntime int8": OnnxFinbert(folder / "int8", settings).score,
            "fp32, sorted, batches of 32": pipeline(folder / "fp32", batch_size=BATCH),
        }
        taken = interleaved(readers, sentences)
    for name, seconds in taken.items():
        best, middle = len(sentences) / min(seconds), len(sentences) / median(seconds)
        print(f"  {name:28s} {best:7.1f} sentences/s, best of {ROUNDS} rounds (median {middle:.1f})")
    fp32, int8, sorted_fp32 = (min(seconds) for seconds in taken.values())
    ratio = fp32 / int8
    print(f"  int8 over fp32               {ratio:7.2f}x (target >= {TARGET:g})")
    print(f"  int8 over fp32 at its best   {sorted_fp32 / int8:7.2f}x")
    return ratio >= TARGET


def read(count: int) -> list[str]:
    """Sentences of the PhraseBank, all lengths, shortest first; made ones where the shared data are not there."""
    path = DATA / SETS["PhraseBank"].file
    if path.exists():
        known = sorted(set(read_labelled(path).texts))
        some = [known[at * len(known) // count] for at in range(count)]
    else:
        sentence = "operating profit rose to eur 13 mn from eur 9 mn in the third quarter as sales of the unit grew"
        words = sentence.split(" ")
        some = [" ".join((words * 3)[: 8 + at % 40]) + f" {at}" for at in range(count)]
    return sorted(some, key=lambda text: (len(text), text))


def made(folder: Path, sentences: Sequence[str]) -> None:
    """A folder of BERT-base with random weights and the words of the sentences."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    letters = "abcdefghijklmnopqrstuvwxyz0123456789%.,'()-"
    common = [word for word, _ in Counter(" ".join(sentences).lower().split()).most_common()]
    words = list(dict.fromkeys([*SPECIAL, "the", *letters, *("##" + letter for letter in letters), *common]))
    words += [f"[unused{at}]" for at in range(VOCABULARY - len(words))]
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(words), id2label=LABELS, label2id={name: at for at, name in LABELS.items()})
    BertForSequenceClassification(config).eval().save_pretrained(folder)
    BertTokenizerFast(vocab={word: place for place, word in enumerate(words)}).save_pretrained(folder)


def pipeline(folder: Path, *, batch_size: int) -> Callable[[Sequence[str]], object]:
    """The transformers pipeline on `THREADS` threads."""
    import torch
    from transformers import pipeline as assembled

    torch.set_num_threads(THREADS)
    peer = assembled("text-classification", model=str(folder), top_k=None, device="cpu")
    return lambda sentences: peer(list(sentences), batch_size=batch_size, truncation=True, max_length=128)


def interleaved(
    readers: dict[str, Callable[[Sequence[str]], object]], sentences: Sequence[str]
) -> dict[str, list[float]]:
    """Seconds of each reader in each round, after one that warms both up."""
    taken: dict[str, list[float]] = {name: [] for name in readers}
    for at in range(ROUNDS + 1):
        for name, reader in readers.items():
            begun = time.perf_counter()
            reader(sentences)
            if at:
                taken[name].append(time.perf_counter() - begun)
    return taken


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)

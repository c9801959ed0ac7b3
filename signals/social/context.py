"""Why people talk about a ticker: a reason by rule for each text, and the mixture over many.

The reasons are the words of the product card. Each has its own quality and half-life in `config/signals.yaml`: a
product that sells out says something about the next quarter, a meme about the next hours. Where a reading model was
asked (`Post.context`), its word goes before the rules'.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.market import Post
from signals.social.influence import InfluenceSettings, held_back, held_back_authors
from signals.social.mood import engagement

CONTEXTS = ("product", "sold_out", "earnings", "meme", "scandal", "other")
_ORDER = ("sold_out", "scandal", "earnings", "product", "meme")  # on equal counts the more specific reason goes first
_WORDS: Mapping[str, str] = {
    "sold_out": "backorder backorders backordered waitlist waitlisted restock restocks restocked restocking soldout",
    "scandal": "recall recalls recalled recalling lawsuit lawsuits sued fraud frauds scandal scandals probe probes "
    "subpoena subpoenas subpoenaed boycott boycotts boycotted hacked whistleblower whistleblowers "
    "contaminated contamination investigation investigations investigating bankrupt bankruptcy indicted "
    "indictment manipulation manipulated",
    "earnings": "earnings eps guidance quarterly q1 q2 q3 q4 revenue revenues results consensus ebitda outlook fiscal",
    "product": "product products store stores customer customers review reviews quality launch launched launches app "
    "apps download downloads subscriber subscribers subscription subscriptions brand brands viral tiktok "
    "flavor flavors flavour flavours sneaker sneakers console consoles preorder preorders deliveries menu "
    "demo",
    "meme": "moon mooning mooned yolo squeeze squeezed squeezes squeezing squoze tendies ape apes rocket rockets "
    "hodl hodling stonk stonks retard retards retarded autist autists degenerate degenerates lambo lambos "
    "valhalla shorts bagholder bagholders bagholding hedgies wsb dfv gang gamma fomo fud 🚀 💎 🦍 🌕 🌙",
}
_PHRASES: Mapping[str, tuple[str, ...]] = {
    "sold_out": ("sold out", "selling out", "sells out", "sell out", "out of stock", "back-order", "wait list",
        "empty shelves", "flying off the shel", "queue outside", "queues outside", "line outside", "lines outside",
        "can't find one", "can't find any", "cant find one", "cannot find one", "resale price"),
    "scandal": ("class action", "data breach", "side effect", "accounting irregular"),
    "earnings": ("beat estimates", "beats estimates", "missed estimates", "misses estimates", "same-store",
        "whisper number"),
    "product": ("my kids love", "my wife loves", "my friends use", "everyone is wearing", "everyone is buying",
        "everyone is using", "tik tok", "new model", "pre-order"),
    "meme": ("diamond hand", "paper hand", "hold the line", "holding the line", "short interest", "buy the dip",
        "smooth brain", "all in on"),
}  # fmt: skip
_REASON = {word: name for name, words in _WORDS.items() for word in words.split()}
_WORD = re.compile(r"\w+|[🚀💎🦍🌕🌙]")


@dataclass(frozen=True, slots=True)
class ContextMix:
    """Shares of the reasons, weighted by engagement, adding up to 1. `main` is the largest that names a reason; "other"
    when fewer than `LEAST_NAMED` of the texts name any, "unknown" without any text.
    """

    main: str
    shares: Mapping[str, float]

    def mean(self, values: Mapping[str, float]) -> float:
        """Mean of one value a reason, over the texts that name one: a text that names none speaks for none."""
        if self.main in ("other", "unknown"):
            return values[self.main]
        named = {name: share for name, share in self.shares.items() if name != "other"}
        return sum(share * values[name] for name, share in named.items()) / sum(named.values())


LEAST_NAMED = 0.2


UNKNOWN = ContextMix("unknown", {"unknown": 1.0})


def context_of(text: str) -> str:
    """The reason whose words and phrases `text` holds most of; "other" when it holds none."""
    plain = text.lower().replace("’", "'")
    hits = Counter(_REASON[word] for word in _WORD.findall(plain) if word in _REASON)
    for name, phrases in _PHRASES.items():
        hits[name] += sum(phrase in plain for phrase in phrases)
    best = max(_ORDER, key=lambda name: (hits[name], -_ORDER.index(name)))
    return best if hits[best] else "other"


def context_mix(items: Sequence[Post], influence: InfluenceSettings | None = None) -> ContextMix:
    """Why these posts were written. `influence` bounds what one author and one channel may weigh."""
    if not items:
        return UNKNOWN
    found = [item.context if item.context in CONTEXTS else context_of(item.text) for item in items]
    sizes = [engagement(item) for item in items]
    if influence is not None:
        sizes, _ = held_back(items, sizes, influence)
        naming = [at for at, name in enumerate(found) if name != "other"]
        # among those that name a reason too: where nearly all are silent, one voice would else be all of them
        kept, _ = held_back_authors([items[at] for at in naming], [sizes[at] for at in naming], influence)
        for at, size in zip(naming, kept, strict=True):
            sizes[at] = size
    weights = dict.fromkeys(CONTEXTS, 0.0)
    for name, size in zip(found, sizes, strict=True):
        weights[name] += size
    total = sum(weights.values())
    shares = {name: weight / total for name, weight in weights.items() if weight}
    named = [name for name in _ORDER if name in shares]
    if sum(shares[name] for name in named) < LEAST_NAMED:
        return ContextMix("other", shares)
    return ContextMix(max(named, key=lambda name: shares[name]), shares)

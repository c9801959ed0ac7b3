"""Is the crowd a crowd? Few voices, young accounts, copied text or one thread cost conviction, and are named."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from domain.market import Post
from signals.social.settings import DoubtSettings
from signals.social.stories import Story


@dataclass(frozen=True, slots=True)
class Doubt:
    """`kept` is the part of a conviction that stays, in (0, 1]. A share is None where the source does not tell."""

    kept: float
    flags: tuple[str, ...]  # few_voices, young_accounts, copied_text, one_thread
    author_share: float | None
    young_share: float | None
    copy_share: float | None
    thread_share: float | None


def doubt(posts: Sequence[Post], told: Sequence[Story], settings: DoubtSettings) -> Doubt:
    """Doubts about `posts` (copies included), of which `told` are the stories. Each suspicion keeps as much as the
    share is beyond its limit: half the authors that it takes, half the conviction.
    """
    authors = [post.author for post in posts if post.author]
    ages = [post.author_age_days for post in posts if post.author_age_days is not None]
    threads = Counter(post.thread for post in posts if post.thread)
    copied = sum(len(story.copies) for story in told)
    author_share = len(set(authors)) / len(authors) if authors else None
    young_share = sum(age < settings.young_days for age in ages) / len(ages) if ages else None
    thread_share = max(threads.values()) / sum(threads.values()) if threads else None
    copy_share = copied / len(posts) if posts else None
    kept: dict[str, float] = {}
    if len(posts) >= settings.min_posts:
        if author_share is not None and author_share < settings.min_author_share:
            kept["few_voices"] = author_share / settings.min_author_share
        if young_share is not None and young_share > settings.max_young_share:
            kept["young_accounts"] = (1.0 - young_share) / (1.0 - settings.max_young_share)
        if copy_share is not None and copy_share > settings.max_copy_share:
            kept["copied_text"] = (1.0 - copy_share) / (1.0 - settings.max_copy_share)
        if thread_share is not None and thread_share > settings.max_thread_share:
            kept["one_thread"] = (1.0 - thread_share) / (1.0 - settings.max_thread_share)
    return Doubt(
        kept=max(math.prod(kept.values()), settings.floor),
        flags=tuple(kept),
        author_share=author_share,
        young_share=young_share,
        copy_share=copy_share,
        thread_share=thread_share,
    )

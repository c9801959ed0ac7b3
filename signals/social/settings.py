"""Thresholds of the social analyst, as records; the figures stand in `config/signals.yaml`, section `social`."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.record import Record
from signals.social.context import CONTEXTS
from signals.social.influence import InfluenceSettings

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class SpikeSettings(Record):
    """When talk about a ticker is a burst."""

    windows_hours: tuple[Annotated[int, Field(ge=1, le=24)], ...]  # lengths of the burst that are looked at
    baseline_days: Annotated[int, Field(ge=3, le=60)]
    min_known_share: Share  # of the hours of window and baseline that must have been counted
    tide_prior: Positive  # posts an hour of all others at which they are believed by half
    velocity: Positive  # observed over expected mentions
    z: Positive
    z_full: Positive  # z-score at which conviction is full
    min_mentions: Count
    max_age_days: Count  # of a mention series by the day

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.z < self.z_full:
            raise ValueError("needs z < z_full")
        if not self.windows_hours:
            raise ValueError("windows_hours needs at least one window")
        return self


class ContextLife(Record):
    """How good a reason to talk is, and how fast its edge is gone."""

    quality: Share  # of a claim's conviction that this reason carries
    half_life_days: Positive
    horizon_days: Positive


class DoubtSettings(Record):
    """When a crowd may be none."""

    min_posts: Count  # with fewer posts nothing is suspected
    min_author_share: Share  # distinct authors per post below which a few are shouting
    young_days: Positive  # an account younger than this is young
    max_young_share: Share  # of posts, by young accounts
    max_copy_share: Share  # of posts that repeat another one
    max_thread_share: Share  # of posts that sit in one thread
    floor: Share  # least part of a conviction that all doubts together leave


class StorySettings(Record):
    """When two texts are one story."""

    similarity: Share  # estimated Jaccard similarity of their word triples
    window_hours: Count  # copies further apart than this are two stories


class SocialSettings(Record):
    """The social analyst."""

    spike: SpikeSettings
    strong_sentiment: Share  # |tone| above this gives a burst its side and full strength
    speaks_from: Share  # a text whose |sentiment| is below this has no opinion; a mean below it is neutral
    sentiment_hours: Count
    news_hours: Count
    min_texts: Count
    min_headlines: Count  # stories on the wires that confirm a crowd
    shrink_texts: Positive  # texts at which a mean is believed by half
    attention_cap: Share  # conviction of a burst whose tone is unknown or mild
    confirmation: Share  # of the distance to certainty that endless independent sources would close
    trends_sigma: Positive  # search interest above its trailing mean, in standard deviations, that confirms
    contexts: Mapping[str, ContextLife]
    doubt: DoubtSettings
    story: StorySettings
    influence: InfluenceSettings = InfluenceSettings()  # of one author and one channel on a mood

    @model_validator(mode="after")
    def _every_context(self) -> Self:
        if set(self.contexts) != {*CONTEXTS, "unknown"}:
            raise ValueError(f"contexts needs exactly {', '.join(CONTEXTS)} and unknown")
        return self

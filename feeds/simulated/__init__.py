"""A market that needs no network: seeded, point-in-time, with stories planted for every analyst to find."""

from feeds.simulated.events import Story, planted, story_of
from feeds.simulated.feed import SimulatedFeed
from feeds.simulated.settings import SimulatedName, SimulatedSettings
from feeds.simulated.timeline import first_instant, next_slot

__all__ = [
    "SimulatedFeed",
    "SimulatedName",
    "SimulatedSettings",
    "Story",
    "first_instant",
    "next_slot",
    "planted",
    "story_of",
]

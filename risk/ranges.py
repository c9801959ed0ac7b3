"""What a sum can become while some of its terms may or may not happen: orders on their way fill, in part, or never."""

from typing import NamedTuple


class Range(NamedTuple):
    """All values the sum can take, from `low` to `high`."""

    low: float = 0.0
    high: float = 0.0

    def with_sure(self, amount: float) -> "Range":
        """With one more term that is there."""
        return Range(self.low + amount, self.high + amount)

    def with_possible(self, amount: float) -> "Range":
        """With one more term of which anything between nothing and all may come."""
        return Range(self.low + min(amount, 0.0), self.high + max(amount, 0.0))

    def plus(self, other: "Range") -> "Range":
        """Sum of two that have nothing to do with each other."""
        return Range(self.low + other.low, self.high + other.high)

    def times(self, factor: float | None, unknown: float) -> "Range":
        """Multiplied; a factor of None is anything between ±`unknown`."""
        if factor is None:
            return Range(-unknown * self.largest, unknown * self.largest)
        return Range(*sorted((factor * self.low, factor * self.high)))

    @property
    def largest(self) -> float:
        """Greatest distance from zero."""
        return max(abs(self.low), abs(self.high))

    @property
    def smallest(self) -> float:
        """Least distance from zero."""
        return max(self.low, -self.high, 0.0)

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.low:+,.2f}"
        return f"{self.low:+,.2f} to {self.high:+,.2f}"

"""Which sector a ticker belongs to. A ticker that no list names stays unknown: it is not guessed."""

from collections.abc import Mapping, Sequence

from pydantic import Field, model_validator

from domain.record import Record

INDEX = "index"  # sector of indices and broad or sector funds


class SectorSettings(Record):
    """Sectors with their tickers, as in config/sectors.yaml. A ticker in two sectors fails to load."""

    sectors: dict[str, tuple[str, ...]] = Field(min_length=1)

    @model_validator(mode="after")
    def _once(self) -> "SectorSettings":
        seen: dict[str, str] = {}
        for sector, tickers in self.sectors.items():
            for ticker in tickers:
                if seen.setdefault(ticker, sector) != sector:
                    raise ValueError(f"{ticker} is listed under both {seen[ticker]} and {sector}")
        return self

    @property
    def by_ticker(self) -> dict[str, str]:
        """Sector of each ticker, ascending by ticker."""
        return dict(sorted((ticker, sector) for sector, tickers in self.sectors.items() for ticker in tickers))


def sectors_of(tickers: Sequence[str], *maps: Mapping[str, str]) -> dict[str, str]:
    """Sectors of `tickers` where known; later maps go before earlier ones."""
    merged = {ticker: sector for known in maps for ticker, sector in known.items()}
    return {ticker: merged[ticker] for ticker in sorted(tickers) if ticker in merged}

"""Sector map: one sector each, and no guess."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from feeds.sectors import INDEX, SectorSettings, sectors_of

CONFIG = Path(__file__).parents[2] / "config" / "sectors.yaml"


def test_shipped_map_loads_and_knows_indices_from_companies() -> None:
    known = SectorSettings.model_validate(yaml.safe_load(CONFIG.read_text())).by_ticker
    assert {known[ticker] for ticker in ("SPX", "SPY", "QQQ", "IWM", "VIX")} == {INDEX}
    assert (known["AAPL"], known["XOM"]) == ("technology", "energy")


def test_a_ticker_in_two_sectors_or_a_word_yaml_reads_as_no_ticker_is_refused() -> None:
    with pytest.raises(ValidationError, match="XOM is listed under both"):
        SectorSettings(sectors={"energy": ("XOM",), "index": ("XOM",)})
    with pytest.raises(ValidationError, match="valid string"):
        SectorSettings.model_validate(yaml.safe_load("sectors: {industrials: [ON]}"))


def test_unknown_stays_unknown_and_later_maps_win() -> None:
    assert sectors_of(["AAPL", "ZZZ", "XOM"], {"AAPL": "a", "XOM": "b"}, {"XOM": "c"}) == {"AAPL": "a", "XOM": "c"}

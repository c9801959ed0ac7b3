"""Column mappings for layouts that no preset knows."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from domain.errors import DataError
from feeds.importers.columns import ColumnMapping, read_mapped
from feeds.importers.imported import Imported
from feeds.importers.table import read_table

EXAMPLE = Path(__file__).parents[2] / "config" / "columns.example.yaml"
CHAINS = (
    "QuoteTime,Expiry Date,strike_price,cp_flag,best_bid,best_offer,volume,open_interest,impl_volatility,spot\n"
    "2024-07-05 10:00,2024-07-19,50,C,1.1,1.3,5,6,0.2,50.4\n2024-07-05 10:00,2024-07-19,50,P,1.0,1.2,5,6,0.2,50.4\n"
)


def example(**changes: object) -> ColumnMapping:
    fields = yaml.safe_load(EXAMPLE.read_text())
    fields["columns"]["spot"] = "spot"
    return ColumnMapping.model_validate({**fields, **changes})


def mapped(text: str, mapping: ColumnMapping) -> Imported:
    return read_mapped(read_table("own.csv", text.encode()), mapping)


def test_the_example_file_reads_a_chain_with_new_york_times() -> None:
    (chain,) = mapped(CHAINS, example()).chains
    assert (chain.ticker, chain.as_of, chain.spot) == ("XYZ", datetime(2024, 7, 5, 14, tzinfo=UTC), 50.4)
    assert chain.multiplier.tolist() == [100, 100]


def test_a_mapping_without_multiplier_leaves_rows_untradeable_and_says_so() -> None:
    imported = mapped(CHAINS, example(multiplier=None))
    assert np.isnan(imported.chains[0].multiplier).all()
    assert [note.code for note in imported.notes] == ["no_multiplier"]


def test_percent_volatility_and_dated_rows() -> None:
    text = CHAINS.replace("2024-07-05 10:00", "2024-07-03").replace(",0.2,", ",20,")
    (chain,) = mapped(text, example(dated=True, iv_in_percent=True)).chains
    assert chain.as_of == datetime(2024, 7, 3, 17, tzinfo=UTC)
    assert chain.vendor_iv.tolist() == [0.2, 0.2]


def test_missing_columns_are_named_by_their_canonical_names() -> None:
    with pytest.raises(DataError, match="no column for bid, ticker"):
        mapped(CHAINS.replace("best_bid", "x"), example(ticker=None))
    with pytest.raises(DataError, match="no column for volume"):
        mapped(CHAINS.replace("volume", "x"), example())


def test_unknown_canonical_names_unreadable_times_and_zones_are_refused() -> None:
    with pytest.raises(DataError, match="bidd"):
        mapped(CHAINS, example(columns={"bidd": "best_bid"}))
    with pytest.raises(DataError, match="not a time in America/New_York"):
        mapped(CHAINS.replace("2024-07-05 10:00", "ten o'clock"), example())
    with pytest.raises(ValidationError, match="America/New_York"):
        example(zone="Mars/Olympus")
    with pytest.raises(ValidationError, match="colums"):
        example(colums={})


def test_american_dates_need_their_format_and_are_never_guessed() -> None:
    text = CHAINS.replace("2024-07-05 10:00", "07/05/2024").replace("2024-07-19", "07/19/2024")
    (chain,) = mapped(text, example(dated=True, date_format="%m/%d/%Y")).chains
    assert chain.as_of == datetime(2024, 7, 5, 20, tzinfo=UTC)
    with pytest.raises(DataError, match="not a date"):
        mapped(text, example(dated=True))


def test_bars_and_series_by_mapping() -> None:
    bars = ColumnMapping(kind="bars", columns={"ticker": "sym", "day": "d", "close": "c"}, raw=True)
    (item,) = mapped("sym,d,c\n^abc,2024-07-05,3\n", bars).bars
    assert (item.bars.ticker, item.bars.close.tolist(), item.bars.adjusted_as_of) == ("ABC", [3.0], None)
    series = ColumnMapping(kind="series", columns={"day": "d", "value": "v"}, name="VIX", unit="vol points")
    (found,) = mapped("d,v\n2024-07-05,12.5\n", series).series
    assert (found.series.name, found.series.value.tolist(), found.basis) == ("VIX", [12.5], "own VIX")
    with pytest.raises(DataError, match="needs its name"):
        mapped("d,v\n2024-07-05,12.5\n", series.model_copy(update={"name": None}))

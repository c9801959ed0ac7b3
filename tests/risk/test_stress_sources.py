"""The figures of config/stress.yaml, derived anew from the market files, and what the settings refuse."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import ValidationError
from scipy import stats

from risk.stress.settings import StressSettings

SHIPPED = Path(__file__).parents[2] / "config" / "stress.yaml"
HALF_A_DIGIT = 0.000051  # figures are written to four decimals


def content() -> dict[str, object]:
    return yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def shipped() -> StressSettings:
    return StressSettings.model_validate(content())


@pytest.fixture(scope="module")
def closes(shared_data):
    def column(path: str, name: str) -> pd.Series:
        return pd.read_csv(shared_data / path, index_col="date")[name]

    yields = pd.read_csv(shared_data / "rates" / "treasury_yields_to_2024.csv", index_col="date")
    return {
        "SPX": column("volatility/SPX_daily_1990_2022.csv", "close"),
        "SPX_DIX": column("positioning/DIX_GEX_to_2024.csv", "price"),
        "VIX": column("volatility/VIX_to_2024.csv", "close"),
        **{name: yields[name] / 100 for name in ("DGS1", "DGS10")},
    }


@pytest.mark.shared_data
def test_every_computed_figure_is_what_the_market_files_say(shipped, closes):
    derived = 0
    for shock in shipped.shocks:
        for figure, named in (
            (shock.spot, shock.spot_from),
            (shock.vol, shock.vol_from),
            (shock.rate, shock.rate_from),
        ):
            if shipped.sources[named].computed:
                first, last = (closes[named][day.isoformat()] for day in (shock.since, shock.until))
                move = last - first if named.startswith("DGS") else last / first - 1
                assert figure == pytest.approx(move, abs=HALF_A_DIGIT), (shock.name, named)
                derived += 1
    assert derived == 21  # seven episodes of three figures; those of 1987 are quoted


@pytest.mark.shared_data
def test_peak_and_trough_of_2020_are_the_peak_and_the_trough(shipped, closes):
    spx = closes["SPX"]["2020-01-01":"2020-12-31"]
    shock = next(shock for shock in shipped.shocks if shock.name == "covid_2020")
    assert spx[: shock.until.isoformat()].idxmax() == shock.since.isoformat()
    assert spx.idxmin() == shock.until.isoformat()


@pytest.mark.shared_data
def test_random_markets_are_no_milder_than_measured(shipped, closes):
    """Vol factor, vol of vol and freedom against SPX and VIX, by VIX band of regime.yaml."""
    both = np.log(pd.concat([closes["SPX"], closes["VIX"]], axis=1, join="inner").to_numpy())
    spot, vol = np.diff(both, axis=0).T
    vix = np.exp(both[:-1, 1]) / 100
    later = np.sqrt(pd.Series(spot**2).rolling(21).mean().shift(-20).to_numpy() * 252) / vix
    edges = [0.0, 0.15, 0.22, 0.35, 9.0]
    for (regime, market), low, high in zip(shipped.monte_carlo.market.items(), edges[:-1], edges[1:], strict=True):
        band = (vix >= low) & (vix < high)
        freedom = stats.t.fit((spot / (vix / np.sqrt(252)))[band])[0]
        assert market.freedom <= freedom, regime
        assert market.freedom <= 6.0
        measured = np.nanquantile(later[band], 0.95)
        assert measured <= market.vol_factor < measured + 0.06, regime
        assert vol[band].std() == pytest.approx(market.vol_of_vol, abs=0.004), regime
        assert np.corrcoef(spot[band], vol[band])[0, 1] == pytest.approx(market.spot_vol_correlation, abs=0.025), regime


def test_the_shipped_file_has_the_six_crises_and_every_figure_a_source(shipped):
    names = {shock.name for shock in shipped.shocks}
    assert {"oct_1987", "sep_2008", "lehman_2008", "aug_2015", "feb_2018", "mar_2020", "oct_2023"} <= names
    black_monday = next(shock for shock in shipped.shocks if shock.name == "oct_1987")
    assert black_monday.spot == pytest.approx(224.84 / 282.70 - 1, abs=HALF_A_DIGIT)
    assert black_monday.vol == pytest.approx(150.19 / 36.37 - 1, abs=HALF_A_DIGIT)
    assert black_monday.days == 3
    assert all(source.text for source in shipped.sources.values())


def broken(change) -> dict[str, object]:
    made = content()
    change(made)
    return made


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c["shocks"][0].update(vol_from="HEARSAY"), "HEARSAY"),
        (lambda c: c["shocks"].append(c["shocks"][0]), "same name"),
        (lambda c: c["shocks"][0].update(until=c["shocks"][0]["since"]), "until must be later"),
        (lambda c: c["shocks"][0].update(spot=-1.0), "greater than -1"),
        (lambda c: c["grid"].update(spot=[-0.1, 0.1]), "contain 0"),
        (lambda c: c["grid"].update(vol=[0.5, 0.0]), "ascending"),
        (lambda c: c["grid"].update(days=[0, 0, 7]), "without repeats"),
        (lambda c: c["monte_carlo"]["market"].pop("crisis"), "market lacks crisis"),
        (lambda c: c["monte_carlo"]["market"]["crisis"].update(freedom=2.0), "greater than 2"),
        (lambda c: c["monte_carlo"]["market"]["crisis"].update(vol_factor=0.9), "greater than or equal to 1"),
        (lambda c: c.update(shock=[]), "Extra inputs"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, says):
    with pytest.raises(ValidationError, match=says):
        StressSettings.model_validate(broken(change))

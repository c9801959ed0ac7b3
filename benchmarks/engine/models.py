"""SSVI surfaces against SciPy's least squares, SABR slices against QuantLib's."""

import math

import numpy as np
from scipy.optimize import least_squares

from benchmarks.engine.rows import Row, interleaved
from options import sabr, ssvi

EXPIRIES, STRIKES, SURFACES = 12, 25, 8
SLICES, SLICE_STRIKES = 40, 20
NOISE = 0.01  # of volatility


def measure(rounds: int = 7) -> list[Row]:
    """Seconds of fitting all surfaces, and all slices."""
    return [*_surfaces(rounds), *_slices(rounds)]


def _surfaces(rounds: int) -> list[Row]:
    """Against MINPACK's Levenberg-Marquardt, the quickest that SciPy offers here: with differences for derivatives, as
    it comes, and, as information, with the derivatives written out for it.
    """
    made = [_surface(seed) for seed in range(SURFACES)]
    ours = [ssvi.fit_surface(**surface).rmse for surface in made]
    peers = [_scipy_rmse(surface) for surface in made]
    spent = interleaved(
        {
            "ours": lambda: [ssvi.fit_surface(**surface) for surface in made],
            "scipy": lambda: [_scipy(surface) for surface in made],
            "derivatives": lambda: [_scipy(surface, derivatives=True) for surface in made],
        },
        rounds=rounds,
    )
    note = f"RMSE at most {max(a / b for a, b in zip(ours, peers, strict=True)):.6f} of SciPy's"
    task = f"SSVI surface, {EXPIRIES} x {STRIKES}, SciPy"
    return [
        Row(task, SURFACES, spent["ours"], spent["scipy"], 60.0, note),
        Row(f"{task} with derivatives", SURFACES, spent["ours"], spent["derivatives"], 1.0, "information"),
    ]


def _slices(rounds: int) -> list[Row]:
    """All slices with QuantLib as it comes: it tries again from random points while the error is above 0.002; and
    those where its first try is enough.
    """
    made = [_slice(seed) for seed in range(SLICES)]
    ours = [sabr.fit(**slice_) for slice_ in made]
    easy = [slice_ for slice_, found in zip(made, ours, strict=True) if found.rmse < 0.0019]
    worst = max(found.rmse / _rmse(slice_) for slice_, found in zip(made, ours, strict=True))
    spent = interleaved(
        {
            "ours": lambda: [sabr.fit(**slice_) for slice_ in made],
            "quantlib": lambda: [_quantlib(slice_) for slice_ in made],
            "ours, easy": lambda: [sabr.fit(**slice_) for slice_ in easy],
            "quantlib, easy": lambda: [_quantlib(slice_) for slice_ in easy],
        },
        rounds=rounds,
    )
    note = f"RMSE at most {worst:.6f} of QuantLib's"
    task = f"SABR slice, {SLICE_STRIKES} strikes, QuantLib"
    first_try = f"{len(easy)} of {len(made)} slices"
    return [
        Row(task, SLICES, spent["ours"], spent["quantlib"], 80.0, note),
        Row(f"{task}'s first try only", len(easy), spent["ours, easy"], spent["quantlib, easy"], 1.0, first_try),
    ]


def _surface(seed: int) -> dict:
    """Quotes around an SSVI surface, weighted by 1/w: relative misses count alike."""
    random = np.random.default_rng(seed)
    tau = np.cumsum(random.uniform(0.02, 0.2, EXPIRIES))
    theta = np.cumsum(np.diff(tau, prepend=0.0) * random.uniform(0.1, 0.3, EXPIRIES) ** 2)
    shape = (random.uniform(-0.85, 0.2), random.uniform(0.6, 1.3), random.uniform(0.2, 0.45))
    k = np.outer(np.sqrt(theta), np.linspace(-2.5, 1.8, STRIKES)).ravel()
    clean = _modelled(k, np.repeat(theta, STRIKES), *shape)
    quoted = clean * (1.0 + NOISE * random.standard_normal(len(k))) ** 2
    offsets = np.arange(EXPIRIES + 1) * STRIKES
    return {"k": k, "total_variance": quoted, "weights": 1.0 / quoted, "offsets": offsets, "tau": tau}


def _modelled(k, theta, rho, eta, gamma):
    x = eta * theta**-gamma * (1.0 + theta) ** (gamma - 1.0) * k
    return 0.5 * theta * (1.0 + rho * x + np.sqrt((x + rho) ** 2 + 1.0 - rho * rho))


def _scipy(surface: dict, *, derivatives: bool = False):
    """Least squares from the same guess as ours; expiries in rows, so that powers are taken once an expiry."""
    k, target, weight = (surface[name].reshape(EXPIRIES, STRIKES) for name in ("k", "total_variance", "weights"))
    own = np.repeat(np.arange(EXPIRIES), STRIKES)
    rows = np.arange(len(own))

    def misses(x):
        return (weight * (_modelled(k, x[:EXPIRIES, None], *x[EXPIRIES:]) - target)).ravel()

    def slopes(x):
        theta, (rho, eta, gamma) = x[:EXPIRIES, None], x[EXPIRIES:]
        phi = eta * theta**-gamma * (1.0 + theta) ** (gamma - 1.0)
        z = phi * k
        root = np.sqrt((z + rho) ** 2 + 1.0 - rho * rho)
        in_phi = weight * 0.5 * theta * k * (rho + (z + rho) / root)
        found = np.zeros((len(rows), len(x)))
        fall = phi * (gamma / theta + (1.0 - gamma) / (1.0 + theta))
        found[rows, own] = (0.5 * weight * (1.0 + rho * z + root) - in_phi * fall).ravel()
        found[:, -3] = (weight * 0.5 * theta * z * (1.0 + 1.0 / root)).ravel()
        found[:, -2] = (in_phi * phi / eta).ravel()
        found[:, -1] = (in_phi * phi * np.log1p(1.0 / theta)).ravel()
        return found

    begin = np.append(target[:, STRIKES // 2], ssvi.START)
    return least_squares(misses, begin, jac=slopes if derivatives else "2-point", method="lm", x_scale="jac")


def _scipy_rmse(surface: dict) -> float:
    weight = surface["weights"]
    return math.sqrt(2.0 * _scipy(surface).cost / float(weight @ weight))


def _slice(seed: int) -> dict:
    random = np.random.default_rng(seed)
    tau = random.uniform(0.1, 2.0)
    alpha, rho, nu = random.uniform(0.1, 0.4), random.uniform(-0.8, 0.3), random.uniform(0.3, 1.0)
    strike = 100.0 * np.exp(np.linspace(-2.0, 1.5, SLICE_STRIKES) * alpha * math.sqrt(tau))
    clean = sabr.lognormal_vol(forward=100.0, strike=strike, tau=tau, alpha=alpha, beta=1.0, rho=rho, nu=nu)
    vol = clean * (1.0 + NOISE * random.standard_normal(SLICE_STRIKES))
    return {"forward": 100.0, "strike": strike, "vol": vol, "tau": tau}


def _quantlib(slice_: dict):
    """β fixed at 1, every quote alike, everything else by default, from the at-the-money volatility."""
    import QuantLib

    strike, vol = slice_["strike"].tolist(), slice_["vol"].tolist()
    middle = vol[SLICE_STRIKES // 2]
    return QuantLib.SABRInterpolation(
        strike, vol, slice_["tau"], 100.0, middle, 1.0, 0.5, -0.3, False, True, False, False, False
    )


def _rmse(slice_: dict) -> float:
    found = _quantlib(slice_)
    vol = sabr.lognormal_vol(
        forward=100.0, strike=slice_["strike"], tau=slice_["tau"],
        alpha=found.alpha(), beta=1.0, rho=found.rho(), nu=found.nu(),
    )  # fmt: skip
    return float(np.sqrt(np.mean((vol - slice_["vol"]) ** 2)))


if __name__ == "__main__":
    for row in measure():
        print(row.line())

"""py_vollib_vectorized in an environment of its own: it fails on current numba and numpy.

The environment is made once, in the git-ignored `.bench/vollib`, by uv from the package registry. A child process in it
keeps the arrays it was last given and does one task when asked, so that its rounds interleave with ours.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

HOME = Path(__file__).parents[2] / ".bench" / "vollib"
PINNED = (
    "py_vollib_vectorized==0.1.1",
    "py_vollib==1.0.1",
    "py_lets_be_rational==1.0.1",
    "numba==0.59.1",
    "numpy==1.26.4",
    "pandas==2.2.3",
)
TASKS = ("price", "implied_vol", "greeks")
CHILD = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import numpy as np
import py_vollib_vectorized as peer

model = "black_scholes_merton"
for line in sys.stdin:
    task, path = json.loads(line)
    if task == "load":
        given = {name: array for name, array in np.load(path).items()}
        flag = np.where(given["is_call"], "c", "p")
        s, k, t, r, q = (given[name] for name in ("spot", "strike", "tau", "rate", "dividend_yield"))
        vol, quoted = given["vol"], given["price"]
    elif task == "price":
        peer.models.vectorized_black_scholes_merton(flag, s, k, t, r, vol, q, return_as="numpy")
    elif task == "implied_vol":
        found = peer.vectorized_implied_volatility(
            quoted, s, k, t, r, flag, q=q, model=model, return_as="numpy", on_error="ignore"
        )
    elif task == "greeks":
        peer.get_all_greeks(flag, s, k, t, r, vol, q, model=model, return_as="dict")
    elif task == "save":
        np.save(path, np.asarray(found))
    print("done", flush=True)
"""


class Missing(RuntimeError):
    """The peer's environment cannot be made or does not answer; the message says why."""


class Vollib:
    """`load` arrays, then `do` tasks; use as a context manager."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [environment(), "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._folder = tempfile.TemporaryDirectory(prefix="vollib-")

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """`spot, strike, tau, rate, dividend_yield, vol, price` and `is_call`, all of one shape `(n,)`."""
        path = f"{self._folder.name}/arrays.npz"
        np.savez(path, **arrays)
        self.do("load", path)

    def do(self, task: str, path: str = "") -> None:
        """One task of `TASKS` over the loaded arrays; returns when it is done."""
        assert self._child.stdin
        assert self._child.stdout
        try:
            print(json.dumps([task, path]), file=self._child.stdin, flush=True)
            answer = self._child.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer.strip() != "done":
            raise Missing(f"py_vollib_vectorized ended during {task}; remove {HOME} and run again to make it anew.")

    def vols(self) -> np.ndarray:
        """What its last `implied_vol` found, shape `(n,)`; NaN where it found none."""
        path = f"{self._folder.name}/vols.npy"
        self.do("save", path)
        found: np.ndarray = np.load(path).ravel()
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._child.stdin
        self._child.stdin.close()
        self._child.wait()
        self._folder.cleanup()


def environment() -> str:
    """The interpreter of the peer's environment, made on first use. Raises `Missing` with what uv said."""
    python, made = HOME / "bin" / "python", HOME / "made"
    pins = "\n".join(PINNED)
    if made.is_file() and made.read_text(encoding="utf-8") == pins:
        return str(python)
    uv = Path(sys.executable).parent / "uv"
    for command in (
        [str(uv), "venv", "-q", "--clear", "-p", "3.11", str(HOME)],
        [str(uv), "pip", "install", "-q", "--python", str(python), *PINNED, "setuptools"],
    ):
        try:
            said = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise Missing("There is no uv beside this interpreter; run scripts/setup.sh first.") from error
        if said.returncode:
            raise Missing(f"The environment of py_vollib_vectorized cannot be made: {said.stderr.strip()[-300:]}")
    made.write_text(pins, encoding="utf-8")
    return str(python)

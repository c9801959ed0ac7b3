"""The notebooks run from top to bottom in a fresh kernel, without a network, and their closing assertions hold."""

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 120  # per cell; each notebook takes a few on an idle machine

# In the kernel, any connection beyond the loopback is an error, so that a notebook cannot quietly come to need one.
OFFLINE = """
import socket as _socket
_connect = _socket.socket.connect
def _loopback_only(self, address):
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise RuntimeError(f"a notebook reached for the network: {address[0]}")
    return _connect(self, address)
_socket.socket.connect = _loopback_only
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Jupyter installation of its own, whose only kernel is this interpreter."""
    folder = tmp_path_factory.mktemp("jupyter")
    kernel = folder / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    return folder


def run(text: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Execute a notebook there, with nothing from the person's own folders."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(home / name.lower()))
    monkeypatch.setenv("JUPYTER_PATH", str(home))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel then draws into the page, without a display
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    with warnings.catch_warnings():
        # jupyter_client and zmq announce changes of their own in these two categories; a notebook's warnings are the
        # kernel's and do not pass through here.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", ResourceWarning)
        import nbformat
        from nbclient import NotebookClient

        notebook = nbformat.reads(text, as_version=4)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(OFFLINE, id="offline"))
        client = NotebookClient(
            notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": home}}
        )
        return client.execute()


def one_cell(source: str) -> str:
    """A notebook of one cell, as it is stored."""
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": source}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def pictures(notebook: Any) -> int:
    """How many figures it drew."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def printed(notebook: Any) -> str:
    """All that the notebook's cells wrote."""
    return "".join(
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream"
    )


@pytest.mark.shared_data
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom(path: Path, shared_data: Path, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DESK_DATA", str(shared_data))
    executed = run(path.read_text(encoding="utf-8"), home, monkeypatch)
    assert all(cell.execution_count is not None for cell in executed.cells if cell.cell_type == "code")
    assert "Warning" not in printed(executed)
    assert "skipped" not in printed(executed)
    assert pictures(executed) >= 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_without_the_shared_data_and_says_what_it_skips(path: Path, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DESK_DATA", str(home / "nowhere"))
    executed = run(path.read_text(encoding="utf-8"), home, monkeypatch)
    assert "skipped: the shared market data is not at" in printed(executed)


def test_the_four_notebooks_are_here_stored_without_results_and_end_with_assertions():
    assert [path.stem for path in NOTEBOOKS] == [
        "regime_dependent_rules", "slippage_models", "time_exits", "volatility_scaled_stops",
    ]  # fmt: skip
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code), path.name
        assert code[-1]["source"][0].startswith("assert"), path.name


def test_a_failing_assertion_in_a_notebook_fails_the_test(home: Path, monkeypatch: pytest.MonkeyPatch):
    from nbclient.exceptions import CellExecutionError

    with pytest.raises(CellExecutionError, match="AssertionError"):
        run(one_cell("assert 0"), home, monkeypatch)


def test_a_notebook_that_reaches_for_the_network_fails(home: Path, monkeypatch: pytest.MonkeyPatch):
    from nbclient.exceptions import CellExecutionError

    source = "import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=1)"
    with pytest.raises(CellExecutionError, match=r"reached for the network: 192\.0\.2\.1"):
        run(one_cell(source), home, monkeypatch)

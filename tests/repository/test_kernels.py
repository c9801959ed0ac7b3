"""A kernel that inlines a file the cache does not watch would be loaded stale, with wrong numbers."""

import ast
from pathlib import Path

import pytest

from options.kernels import compiled

KERNELS = Path(compiled.__file__).parent
ARGUMENT_TYPES = {"options.american_tables"}  # named tuples that kernels take: part of a cached kernel's signature
MODULES = sorted(path for path in KERNELS.glob("*.py") if path.stem != "__init__")


def imported_kernels(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("options"):
            inside = (node.module or "").removeprefix("options.kernels").strip(".")
            found |= {inside} if inside else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("options")}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_kernel_imports_only_what_names_the_cache(path: Path) -> None:
    assert imported_kernels(path) - ARGUMENT_TYPES <= set(compiled.SHARED)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_kernel_allows_reordering_or_assumes_away_nan(path: Path) -> None:
    tree = ast.parse(path.read_text())
    given = [word for node in ast.walk(tree) if isinstance(node, ast.Call) for word in node.keywords]
    assert not [word for word in given if word.arg == "parallel"]
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert not texts & {"reassoc", "nnan", "ninf", "afn", "fast"}
    flags = [word.value for word in given if word.arg == "fastmath"]
    assert not [flag for flag in flags if isinstance(flag, ast.Constant) and flag.value is True]


def test_the_cache_moves_when_a_shared_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = compiled.cache_folder(KERNELS)
    for name in compiled.SHARED:
        (tmp_path / f"{name}.py").write_bytes((KERNELS / f"{name}.py").read_bytes())
    assert Path(compiled.cache_folder(tmp_path)).name == Path(before).name
    (tmp_path / "elementary.py").write_text("# another polynomial\n")
    assert Path(compiled.cache_folder(tmp_path)).name != Path(before).name

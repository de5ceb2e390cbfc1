"""What a process of the service loads: a start, and every restart of a worker, waits for it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SERVING = Path(__file__).parents[2] / "serving"
# Seconds and hundreds of megabytes that no request needs; promotion exports a plain artefact instead.
NEVER = {
    "cleanlab",
    "evidently",
    "hypothesis",
    "IPython",
    "matplotlib",
    "mlflow",
    "polars",
    "pytest",
    "requests",
    "statsmodels",
}
# River's preprocessing loads its trees, these its data sets, and these all of pandas, scikit-learn and
# SQLAlchemy: half of the time and of the memory of a start. Only the learner, and a new ledger, need it.
BY_RIVER = {"river", "pandas", "sklearn", "sqlalchemy"}
ENGINE = {"fastapi", "numba", "pyarrow", "scipy", "uvicorn"} | BY_RIVER
BESIDE = {"fastapi", "httpx", "jinja2", "tqdm", "uvicorn"}


def loaded_by(module: str) -> set[str]:
    """The packages that a new process holds after an import."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("serving.app", NEVER | BY_RIVER | {"httpx", "tqdm"}),
        ("serving.workers.snapshotter", NEVER | BY_RIVER | BESIDE),
        ("serving.workers.monitor", NEVER | BY_RIVER | BESIDE),
        ("serving.workers.learner", NEVER | BESIDE),
        ("serving.__main__", NEVER | ENGINE),  # keys are managed without an engine
        ("serving.client", NEVER | ENGINE),
    ],
)
def test_no_process_loads_what_it_does_not_need(module: str, without: set[str]) -> None:
    assert loaded_by(module) & without == set()


def test_nothing_here_asks_for_what_river_brings() -> None:
    asked = set()
    for path in SERVING.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            asked |= {name.partition(".")[0] for name in names}
    assert asked & (NEVER | BY_RIVER) == set()
    assert {"fastapi", "msgspec", "numpy", "pyarrow"} <= asked  # it looked

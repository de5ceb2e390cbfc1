"""The report in a real browser: everything is shown, it fits, and nothing is fetched."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from pipelines.report import write_report

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
TIMEOUT_S = 120


@pytest.fixture(scope="module")
def report(evaluated_run: Path) -> Path:
    return write_report(evaluated_run)


@pytest.fixture
def chromium(
    require_program: Callable[[str], str], tmp_path: Path
) -> Callable[[Path, list[str]], str]:
    program = require_program("chromium")

    def run(page: Path, arguments: list[str]) -> str:
        command = [program, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *arguments]
        done = subprocess.run(
            [*command, page.as_uri()], capture_output=True, timeout=TIMEOUT_S, check=True
        )
        return done.stdout.decode()

    return run


def test_every_heading_is_in_the_document(
    chromium: Callable[[Path, list[str]], str], report: Path
) -> None:
    document = chromium(report, ["--dump-dom"])
    headings = [
        re.sub(r"<[^>]+>", "", each) for each in re.findall(r"<h2[^>]*>(.*?)</h2>", document)
    ]
    assert headings == [
        "In short",
        "Headline",
        "Week by week",
        "Calibration: can a probability be taken at its word?",
        "Thresholds on expected fraud",
        "What the decisions cost",
        "Slices: where is it better or worse?",
        "Learning curve",
        "The worst errors",
        "When the labels arrived",
        "Against the truth",
        "More figures",
        "What was set aside",
        "Glossary",
        "How it was made",
    ]
    assert not re.findall(r'(?:src|href)="https?:', document)
    assert document.count('role="img"') == 17


@pytest.mark.parametrize("width", [400, 1280])
def test_it_fits_the_window_and_fetches_nothing(
    chromium: Callable[[Path, list[str]], str], report: Path, tmp_path: Path, width: int
) -> None:
    """A copy in a frame of that width tells how wide it is and what it has loaded."""
    probe, around = tmp_path / "probe.html", tmp_path / "around.html"
    script = (
        "<script>addEventListener('load', () => { const page = document.documentElement;"
        " const loaded = performance.getEntriesByType('resource').length;"
        " parent.postMessage([page.scrollWidth, innerWidth, loaded].join(' '), '*'); });</script>"
    )
    probe.write_text(report.read_text(encoding="utf-8").replace("</body>", f"{script}</body>"))
    around.write_text(
        "<script>onmessage = (event) => { document.documentElement.dataset.probe = event.data; };"
        f"</script><iframe src='probe.html' width='{width}' height='900' frameborder='0'></iframe>"
    )
    window = ["--window-size=1400,1000", "--virtual-time-budget=10000"]
    document = chromium(around, [*window, "--dump-dom"])
    found = re.search(r'data-probe="(\d+) (\d+) (\d+)"', document)
    assert found, "the script did not run"
    page_width, window_width, loaded = map(int, found.groups())
    assert window_width == width
    assert page_width <= window_width
    assert loaded == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_picture_of_it_is_not_blank(
    chromium: Callable[[Path, list[str]], str], report: Path, tmp_path: Path, dark: bool
) -> None:
    picture = tmp_path / "report.png"
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    chromium(report, ["--window-size=1280,2400", f"--screenshot={picture}", *scheme])
    pixels = imread(picture)[..., :3]
    assert pixels.shape == (2400, 1280, 3)
    ground = pixels[2, 2]
    assert (ground.mean() < 0.2) == dark
    inked = np.abs(pixels - ground).max(axis=2) > 0.3
    assert 0.02 < inked.mean() < 0.5
    assert inked[1200:].any(axis=1).mean() > 0.3  # rows with ink, also in the lower half

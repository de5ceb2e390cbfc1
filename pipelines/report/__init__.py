"""The page that a person reads after a run: `report.html`, one file, nothing fetched from anywhere.

`page.write_report` reads `metrics.json` and `run.json`; every figure on the page is in `metrics.json`.
Reading order: `page` (puts it together), `template.html` and one file for each section, `words` (sentences
made from figures), `plots` and `svg` (the pictures), `detail_words` and `detail_plots` (the same for slices,
learning curve, worst errors and further figures), `formats` (how numbers are written), `style.css`.
"""

from .page import write_report

__all__ = ["write_report"]

"""Makes one drift report beside the scorer, and ends: `pipelines drift-report` with the scorer's manners.

    python -m serving.workers.reporter --ledger var/ledger.sqlite --out var/ledger.sqlite-reports/7.unfinished

It steps back behind the scorer, and ends when its stdin closes, so that it does not outlive it. What went
wrong is its last line on stderr. Evidently is imported here, never in the scorer.
"""

import os
import sys
from importlib.util import find_spec

from serving.workers.pipe import attached

NICENESS = 15

if __name__ == "__main__":
    attached()
    os.nice(NICENESS)
    if find_spec("evidently") is None:  # as in the container, which is kept small
        fix = "make drift-report LEDGER=file, on this machine, where the whole project is installed"
        print(f"error: Evidently is not installed here (fix: {fix})", file=sys.stderr)
        sys.exit(2)
    from pipelines.cli import main

    sys.exit(main(["drift-report", *sys.argv[1:]]))

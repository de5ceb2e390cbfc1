"""What the tests in a browser share: the helpers of the tests of the service."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "service"))

"""What the tests of the service share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from guarded import Guarded, guarded_service
from hard_load import History, make_history
from limited_server import LIMITS
from live_server import Live, limited, live_server
from running import Running, running_service
from warm_parent import WarmParent, warm_parent


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A ready service in the demo mode, shared by all tests of this process: do it no harm.

    Its clock is moved by the header Known-Time. Use ids of your own.
    """
    with running_service(tmp_path_factory.mktemp("service"), clock="traffic") as running:
        yield running.wait_until_ready()


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmParent]:
    """Quick starts, for tests that kill and restart: `running_service(folder, warm.start)`."""
    with warm_parent() as parent:
        yield parent


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A service with API keys and this machine's clock, for attacks that it must survive."""
    with guarded_service(tmp_path_factory.mktemp("guarded")) as service:
        yield service


@pytest.fixture(scope="session")
def killed_history(tmp_path_factory: pytest.TempPathFactory, warm: WarmParent) -> History:
    """A thousand events and two snapshots of each fold; not to be changed."""
    return make_history(tmp_path_factory.mktemp("history"), warm.start)


@pytest.fixture
def history(killed_history: History, tmp_path: Path) -> History:
    """The same, in files of one's own, in the folder of the test."""
    for path in killed_history.ledger_file.parent.glob(f"{killed_history.ledger_file.name}*"):
        copy = shutil.copytree if path.is_dir() else shutil.copyfile
        copy(path, tmp_path / path.name)
    return killed_history._replace(ledger_file=tmp_path / killed_history.ledger_file.name)


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    """A trivial application behind the socket's bounds, set low."""
    with live_server(limited(LIMITS)) as live:
        yield live

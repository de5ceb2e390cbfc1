"""What the tests of the service share."""

from collections.abc import Iterator

import pytest
from guarded import Guarded, guarded_service
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

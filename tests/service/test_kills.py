"""kill -9 at random moments under load: nothing that was acknowledged is lost, changed or stored twice.

Most kills hit services that are forked from a warm parent (`warm_parent`), which start in a tenth of a
second; some hit the whole `python -m serving` with its workers. All lives share one ledger, and one client
that keeps books of every answer.
"""

import asyncio
import random
from pathlib import Path

from hard_load import Load, schema_file
from ledger_checks import check_book, check_recovery
from running import GUARD_S, Running, running_service, whole
from warm_parent import WarmParent

KILLS, WHOLE_EVERY = 60, 20


def test_kill_9_at_random_moments_loses_nothing_acknowledged(
    tmp_path: Path, warm: WarmParent
) -> None:
    draw = random.Random(20_261_122)
    variables = {
        "clock": "traffic",
        "schema_file": schema_file(tmp_path),
        "snapshot_every_events": 400,
    }
    load = Load(seed=1)
    for number in range(1, KILLS + 1):
        start = whole if number % WHOLE_EVERY == 0 else warm.start
        with running_service(tmp_path, start, **variables) as service:
            service.wait_until_ready()
            load.goes_on_from(service.client.get("/v1/model").json()["known_time"])

            async def kill(service: Running = service) -> None:
                await asyncio.sleep(draw.uniform(0.0, 0.01))
                service.process.kill()

            asyncio.run(load.life(service.url, draw.randint(1, 150), kill))
            service.process.wait(GUARD_S)

    assert load.book.refused == 0
    check_book(load.book, service.ledger_file)
    with running_service(tmp_path, warm.start, **variables) as service:
        service.wait_until_ready()
        assert service.client.get("/v1/model").json()["weights_version"] > 10
        asyncio.run(load.settle(service.url))
        assert service.stop() == 0, service.log
    assert check_book(load.book, service.ledger_file) == load.book.answers.keys()
    check_recovery(service.ledger_file)

"""The learner in a process of its own: reads the scorer's ledger and proposes new weights.

    python -m serving.workers.learner --ledger var/ledger.db --settings var/settings.json

It begins at its newest snapshot, reads on in rounds of bounded work, and says after each how far it has
come. However fast labels arrive, the scorer gets at most one proposal a round: the newest, as versions
may be skipped. A publication that was proposed and not adopted before a crash is proposed again.
"""

import time
from collections.abc import Callable, Iterator

from fraud_system.learner import Learner
from fraud_system.ledger import Ledger, SqliteLedger
from fraud_system.publication import Publication
from fraud_system.replay import restored_learner, save_learner
from serving.workers.messages import Heartbeat, SnapshotSaved, WeightsProposed
from serving.workers.pipe import Outlet
from serving.workers.running import Arguments, for_a_round, run, say_passed_over

ROUND_EVENTS = 5_000
NICENESS = 10


def rounds(
    learner: Learner,
    pending: Publication | None,
    ledger: Ledger,
    send: Callable[[Heartbeat | SnapshotSaved | WeightsProposed], None],
    snapshot_every_events: int,
    round_events: int = ROUND_EVENTS,
) -> Iterator[bool]:
    """Read, learn, propose and say so, for ever. Yields after each round whether it is near the end.

    There the caller should rest for a moment: under steady traffic a round that follows at once would read
    one frame, and say so.
    """
    saved_at = learner.read_through_seq
    while True:
        pending = read_on(learner, ledger, round_events) or pending
        if pending is not None:
            send(WeightsProposed(pending))
            pending = None
        if learner.read_through_seq - saved_at >= snapshot_every_events:
            save_learner(learner, ledger)
            saved_at = learner.read_through_seq
            send(SnapshotSaved("learner", saved_at))
        figures = {"learned_labels": learner.learned_labels, "version": max(0, learner.version)}
        refused = {f"refused_{name}": count for name, count in learner.refusals().items()}
        send(Heartbeat(read_through_seq=learner.read_through_seq, figures=figures | refused))
        yield ledger.last_seq - learner.read_through_seq < round_events


def read_on(learner: Learner, ledger: Ledger, at_most_events: int) -> Publication | None:
    """Fold what follows in the ledger; the newest publication that has become due."""
    newest: Publication | None = None
    stop_at = learner.read_through_seq + at_most_events
    for frame in for_a_round(ledger.frames(learner.read_through_seq)):
        due = learner.fold(frame)
        newest = due[-1] if due else newest
        if learner.read_through_seq >= stop_at:
            break
    return newest


def _work(given: Arguments, ledger: SqliteLedger, outlet: Outlet) -> None:
    learner, pending = restored_learner(given.settings, ledger)
    say_passed_over(ledger, outlet)
    for at_end in rounds(learner, pending, ledger, outlet.send, given.snapshot_every_events):
        if at_end:
            time.sleep(given.poll_interval_s)


if __name__ == "__main__":
    run(_work, NICENESS)

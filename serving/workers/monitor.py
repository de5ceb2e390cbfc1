"""The monitors in a process of their own: read the scorer's ledger, propose switches, say what they see.

    python -m serving.workers.monitor --ledger var/ledger.sqlite --settings var/settings.json ...

It begins at its newest snapshot and reads on in rounds of bounded work. A proposal that was void or got lost
is made again, as the switch goes by what the ledger records.
"""

import json
import time
from collections.abc import Callable, Iterator

from fraud_system.ledger import Ledger, SqliteLedger
from monitoring.health import HealthSettings, Proposal
from monitoring.overseer import SNAPSHOT, Overseer, recover_overseer
from monitoring.settings_file import monitor_settings
from monitoring.switching_patterns import patterns_of
from monitoring.view_of_overseer import view_of
from serving.workers.messages import Heartbeat, Message, ModeProposed, MonitorSees, SnapshotSaved
from serving.workers.pipe import Outlet
from serving.workers.running import Arguments, for_a_round, run, say_passed_over

ROUND_EVENTS = 20_000
NICENESS = 10
VIEW_EVERY_ROUNDS = 5  # when there is nothing new to be seen


def rounds(
    overseer: Overseer,
    ledger: Ledger,
    send: Callable[[Message], None],
    snapshot_every_events: int,
    round_events: int = ROUND_EVENTS,
) -> Iterator[bool]:
    """Read, judge, propose and say so, for ever. Yields after each round: was there nothing to read?"""
    saved_at = overseer.read_through_seq
    quiet = 0
    while True:
        before = overseer.read_through_seq
        proposals = read_on(overseer, ledger, round_events)
        # While it catches up, what it would propose is about a past that is over. Under traffic the very end
        # is never reached: one round behind is near enough.
        is_near = ledger.last_seq - overseer.read_through_seq <= round_events
        for proposal in proposals[-1:] if is_near else []:
            send(_message(proposal))
        quiet = quiet + 1 if overseer.read_through_seq == before else 0
        if quiet % VIEW_EVERY_ROUNDS == 0:
            send(MonitorSees(view_of(overseer)))
        if overseer.read_through_seq - saved_at >= snapshot_every_events:
            saved_at = overseer.read_through_seq
            ledger.save_snapshot(SNAPSHOT, saved_at, overseer.to_arrays())
            send(SnapshotSaved(SNAPSHOT, saved_at))
        send(Heartbeat(read_through_seq=overseer.read_through_seq, figures=_figures(overseer)))
        yield quiet > 0


def read_on(overseer: Overseer, ledger: Ledger, at_most_events: int) -> list[Proposal]:
    """Fold what follows in the ledger; the proposals of the last frame."""
    proposals: list[Proposal] = []
    stop_at = overseer.read_through_seq + at_most_events
    for frame in for_a_round(ledger.frames(overseer.read_through_seq)):
        # A proposal stands until the ledger says otherwise.
        proposals = overseer.fold(frame) or ([] if "mode" in frame.tables else proposals)
        if overseer.read_through_seq >= stop_at:
            break
    return proposals


def _figures(overseer: Overseer) -> dict[str, int]:
    levels = [finding.level.name.lower() for finding in overseer.monitor.current]
    return {"alarms": levels.count("alarm"), "warnings": levels.count("warning")}


def _message(proposal: Proposal) -> ModeProposed:
    switch = proposal.switch
    return ModeProposed(
        proposal.from_health.name.lower(),  # type: ignore[arg-type]
        switch.health.name.lower(),  # type: ignore[arg-type]
        switch.reason,
        switch.evidence[:2_000],
    )


def _work(given: Arguments, ledger: SqliteLedger, outlet: Outlet) -> None:
    health = HealthSettings(switching=patterns_of(given.switching, "--switching"))
    settings = monitor_settings(json.loads(given.monitors))
    overseer = recover_overseer(settings, health, given.settings, ledger)
    say_passed_over(ledger, outlet)
    for at_end in rounds(overseer, ledger, outlet.send, given.snapshot_every_events):
        if at_end:
            time.sleep(given.poll_interval_s)


if __name__ == "__main__":
    run(_work, NICENESS)

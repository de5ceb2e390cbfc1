"""What is served: a schema, settings and a ledger that belong together.

Beside the ledger lies `<ledger>-settings.json`: the settings that it was begun with, and which the learner
and the other workers read. A new ledger begins from a finished run (its history, counters and weights, so
that training simply goes on) or from nothing.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from fraud_system.durable_files import copy_file, disk_errors, sync_folder
from fraud_system.errors import ArtefactError, ConfigError
from fraud_system.schema import Schema
from fraud_system.settings import Settings
from pipelines.system_settings import SCHEMAS, read_schema, settings_of
from serving.folders import make_folder, place_errors
from serving.operations.journal import check_none
from serving.operations.ledger_files import LedgerFiles, check_is_ledger
from serving.waiting import Change
from serving.workers.running import read_settings, write_settings

DEMO_SCHEMA = SCHEMAS / "simulated.toml"
RUN_LEDGER, RUN_MODEL = "ledger.sqlite", Path("model/model.json")
LEDGER = "FRAUD_LEDGER_FILE"


@dataclass(frozen=True)
class System:
    """What is served.

    Args:
        schema: of the transactions.
        settings: of engine and learner.
        ledger_file: the ledger.
        settings_file: the settings, for the workers.
    """

    schema: Schema
    settings: Settings
    ledger_file: Path
    settings_file: Path


def prepare(
    ledger_file: Path, schema_file: Path | None = None, start_from_run: Path | None = None
) -> System:
    """Find or make what is served; the ledger itself may not exist yet.

    Args:
        ledger_file: of an earlier start, or a new name.
        schema_file: default: that of the simulator.
        start_from_run: a run directory, for a new ledger.

    Raises:
        ConfigError: the schema does not fit the settings that the ledger was begun with, or no ledger can
            be kept there.
        ArtefactError: the run is none, or the settings are damaged.
        LedgerError: what is there is no ledger; or the erasure of a card was cut off, and has to be
            finished first.
    """
    schema_path = schema_file or DEMO_SCHEMA
    schema = read_schema(schema_path, "FRAUD_SCHEMA_FILE")
    files = LedgerFiles(ledger_file)
    make_folder(ledger_file.parent, LEDGER)
    with place_errors(ledger_file, LEDGER):
        check_none(files.erasure)
        is_there = ledger_file.exists()
        if is_there:
            check_is_ledger(ledger_file, LEDGER)
    if is_there:
        settings = _settings_beside(files.settings)
    elif start_from_run is not None:
        settings = _settings_of_run(start_from_run)
        _check_fits(schema, settings, schema_path)
        with place_errors(ledger_file, LEDGER):
            write_settings(files.settings, settings)
        _copy_run(start_from_run, files)  # last: a start that was cut off begins again
    else:
        settings = settings_of(schema, schema_path.parent)
        with place_errors(ledger_file, LEDGER):
            write_settings(files.settings, settings)
    _check_fits(schema, settings, schema_path)
    return System(schema, settings, ledger_file, files.settings)


def read_champion(directory: Path, settings: Settings) -> Change:
    """An exported model, checked: it must belong to the settings. Returns how an engine begins to serve it.

    Raises:
        ArtefactError: it is damaged, is not there, or belongs to other settings.
    """
    # Here, as they bring river: half of the time of a start, for what hardly anybody asks for.
    from fraud_system.champion import reloaded
    from fraud_system.models.artefact import load_model

    try:
        files = {name: (directory / name).read_bytes() for name in ("model.json", "arrays.npz")}
    except OSError as error:
        raise ArtefactError(f"cannot be read: {error}", field=str(directory)) from error
    loaded = load_model(files, settings)
    return lambda engine: reloaded(engine, loaded)


def _settings_beside(settings_file: Path) -> Settings:
    try:
        return read_settings(settings_file)
    except ArtefactError as error:
        raise ArtefactError(
            f"the settings of the ledger: {error.problem}",
            field=str(settings_file),
            fix="put back the file that the ledger was begun with; each backup has a copy",
        ) from error


def _settings_of_run(run: Path) -> Settings:
    path = run / RUN_MODEL
    try:
        described = json.loads(path.read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtefactError(
            "holds no run", field=str(run), fix="name a directory that make run or make train left"
        ) from error
    return Settings.from_described(described)


def _check_fits(schema: Schema, settings: Settings, where: Path) -> None:
    features = settings.features
    for name, ours, theirs in (
        ("entities", tuple(schema.entities), tuple(each.name for each in features.entities)),
        ("features.numeric", schema.numeric, features.numeric),
        ("features.categorical", schema.categorical, features.categorical),
    ):
        if tuple(ours) != tuple(theirs):
            raise ConfigError(
                f"{list(ours)} here, but the ledger was begun with {list(theirs)}",
                field=f"{where}: {name}",
                fix="give the schema that the ledger or the run was made with, in FRAUD_SCHEMA_FILE",
            )


def _copy_run(run: Path, target: LedgerFiles) -> None:
    """The run's ledger and snapshots; the ledger appears last and whole.

    What is made is made anew, so it has the mode of this process's files, not that of the run's.
    """
    source = LedgerFiles(run / RUN_LEDGER)
    if not source.ledger.exists():
        raise ArtefactError(
            "holds no run", field=str(run), fix="name a directory that make run left"
        )
    aside = target.ledger.with_name(f".{target.ledger.name}.new")
    copies = {path: target.snapshots / path.name for path in source.snapshot_files()}
    with disk_errors("cannot copy the run"):
        target.snapshots.mkdir(exist_ok=True)
        for path, copy in {**copies, source.ledger: aside}.items():
            copy.unlink(missing_ok=True)  # of a start that was cut off
            copy_file(path, copy)
        sync_folder(target.snapshots)
        aside.replace(target.ledger)
        sync_folder(target.ledger.parent)

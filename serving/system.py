"""What is served: a schema, settings and a ledger that belong together.

Beside the ledger lies `<ledger>-settings.json`: the settings that it was begun with, and which the learner
and the other workers read. A new ledger begins from a finished run (its history, counters and weights, so
that training simply goes on) or from nothing.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from fraud_system.durable_files import copy_file, sync_folder
from fraud_system.errors import ArtefactError, ConfigError
from fraud_system.models.artefact import LoadedModel, load_model
from fraud_system.schema import Schema
from fraud_system.settings import Settings
from pipelines.system_settings import SCHEMAS, read_schema, settings_of
from serving.operations.journal import check_none
from serving.workers.running import read_settings, write_settings

DEMO_SCHEMA = SCHEMAS / "simulated.toml"
RUN_LEDGER, RUN_MODEL = "ledger.sqlite", Path("model/model.json")
SNAPSHOTS = "-snapshots"


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
        ConfigError: the schema does not fit the settings that the ledger was begun with.
        ArtefactError: the run is none, or the settings are damaged.
        LedgerError: the erasure of a card was cut off, and has to be finished first.
    """
    schema_path = schema_file or DEMO_SCHEMA
    schema = read_schema(schema_path)
    settings_file = Path(f"{ledger_file}-settings.json")
    check_none(Path(f"{ledger_file}-erasure.json"))
    ledger_file.parent.mkdir(parents=True, exist_ok=True)
    if ledger_file.exists():
        settings = _settings_beside(settings_file)
    elif start_from_run is not None:
        settings = _settings_of_run(start_from_run)
        _check_fits(schema, settings, schema_path)
        write_settings(settings_file, settings)
        _copy_run(start_from_run, ledger_file)  # last: a start that was cut off begins again
    else:
        settings = settings_of(schema, schema_path.parent)
        write_settings(settings_file, settings)
    _check_fits(schema, settings, schema_path)
    return System(schema, settings, ledger_file, settings_file)


def read_champion(directory: Path, settings: Settings) -> LoadedModel:
    """An exported model, checked; it must belong to the settings.

    Raises:
        ArtefactError: it is damaged, is not there, or belongs to other settings.
    """
    try:
        files = {name: (directory / name).read_bytes() for name in ("model.json", "arrays.npz")}
    except OSError as error:
        raise ArtefactError(f"cannot be read: {error}", field=str(directory)) from error
    return load_model(files, settings)


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


def _copy_run(run: Path, ledger_file: Path) -> None:
    """The run's ledger and snapshots; the ledger appears last and whole."""
    source = run / RUN_LEDGER
    if not source.exists():
        raise ArtefactError(
            "holds no run", field=str(run), fix="name a directory that make run left"
        )
    snapshots = Path(f"{source}{SNAPSHOTS}")
    if snapshots.is_dir():
        shutil.copytree(snapshots, f"{ledger_file}{SNAPSHOTS}", dirs_exist_ok=True)
    aside = ledger_file.with_name(f".{ledger_file.name}.new")
    aside.unlink(missing_ok=True)  # of a start that was cut off
    copy_file(source, aside)
    aside.replace(ledger_file)
    sync_folder(ledger_file.parent)

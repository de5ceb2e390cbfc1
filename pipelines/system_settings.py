"""From a schema to the settings of engine and learner, with the project's default features and rules."""

from pathlib import Path

from fraud_system.errors import ConfigError
from fraud_system.features.declaration import load_features
from fraud_system.labels import LabelSettings
from fraud_system.models.heuristic import load_rules
from fraud_system.models.model_settings import DEFAULT_MODEL, MODELS
from fraud_system.models.recalibration import RecalibrationSettings
from fraud_system.policy import PolicyCosts
from fraud_system.schema import Schema, load_schema
from fraud_system.settings import Settings

DEFAULTS = Path(__file__).parent / "defaults"
SCHEMAS = Path(__file__).parent / "schemas"


def read_schema(path: Path, field: str = "schema") -> Schema:
    """The schema in a TOML file; `field` is the setting that named it, for the error if it cannot be read."""
    return load_schema(_text(path, field), str(path))


def settings_of(schema: Schema, beside: Path | None = None, model: str = DEFAULT_MODEL) -> Settings:
    """Settings for data of this schema.

    Args:
        schema: as read.
        beside: the folder that a relative `model.features` path starts from.
        model: a name in `MODELS`.
    """
    own = schema.model.get("features")
    features_path = DEFAULTS / "features.toml"
    if own is not None:
        features_path = (beside or Path()) / own
    features = load_features(
        _text(features_path, "model.features"),
        list(schema.entities),
        schema.numeric,
        schema.categorical,
    )
    # A list of one's own may lack what the default rules read; those rules are then left out too.
    default = load_features(_text(DEFAULTS / "features.toml", "features"), ["card", "terminal"])
    rules = load_rules(
        _text(DEFAULTS / "rules.toml", "rules"),
        features.names,
        [*default.names, *features.left_out],
    )
    return Settings(
        features=features,
        rules=rules,
        labels=LabelSettings(
            maturity_s=schema.labels.maturity_s,
            horizon_s=schema.labels.horizon_s,
            orphan_wait_s=schema.labels.orphan_wait_s,
        ),
        costs=PolicyCosts(**schema.policy),
        model=MODELS[model](prevalence=schema.model["prevalence"]),
        recalibration=RecalibrationSettings(enabled=schema.model["recalibrate"]),
        learning=schema.learning,
        publish_every_labels=schema.model["publish_every_labels"],
        max_lateness_s=schema.limits.max_lateness_s,
        max_ahead_s=schema.limits.max_ahead_s,
    )


def _text(path: Path, field: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read {path}: {error}", field=field, fix="give the path of a TOML file"
        ) from error

"""The service's settings that depend on the machine: `FRAUD_...` variables of the environment.

What a fraud is worth, how labels mature and which features there are is not set here but in the schema and
settings files, because it is part of what is recorded. This holds files, addresses and bounds. Everything
has a bound, so that no client and no mistake can take all memory or wait for ever.

`python -m serving.configuration` prints the table of the variables, as Markdown.
"""

import difflib
import ipaddress
import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, Le
from pydantic import DirectoryPath, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from fraud_system.errors import ConfigError
from monitoring.switching_patterns import SWITCHING, patterns_of, text_of
from serving.workers.silence import SILENT_AFTER_S, STALE_AFTER_S

PREFIX = "FRAUD_"
KIB = 1024
MIB = 1024 * KIB
_OF_CLIENTS = ("FRAUD_API_KEY", "FRAUD_URL")  # a client in the same shell may be told these

Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class Configuration(BaseSettings):
    """What `python -m serving` is told by its environment; arguments come before variables.

    Raises:
        ConfigError: a value is wrong or missing, or the values together are not safe; it names the variable.

    >>> Configuration(demo=True, max_batch_rows=100).max_batch_rows
    100
    >>> Configuration(port=70_000)
    Traceback (most recent call last):
    fraud_system.errors.ConfigError: FRAUD_PORT: input should be less than or equal to 65535, not
     70000 (fix: give a whole number from 0 to 65,535)
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    schema_file: Path | None = Field(None, description="TOML that describes the transactions")
    start_from_run: Path | None = Field(
        None, description="finished run whose model, counters and schema a new ledger starts from"
    )
    champion_dir: DirectoryPath | None = Field(
        None,
        description="folder of an exported model, which POST /v1/admin/champion loads; not read at the start",
    )
    ledger_file: Path = Field(Path("var/ledger.sqlite"), description="the ledger, on a local disk")

    host: str = Field("127.0.0.1", description="address to listen at")
    port: int = Field(8000, ge=0, le=65_535, description="port to listen at; 0: any free one")
    api_keys_file: Path | None = Field(
        None, description="file of hashed API keys (`make api-key` writes it)"
    )
    demo: bool = Field(
        False,
        description="may run without API keys on a loopback address, and with FRAUD_CLOCK=traffic",
    )
    clock: Literal["wall", "traffic"] = Field(
        "wall",
        description="what moves the known time: this machine's clock, or the header Known-Time",
    )

    max_connections: int = Field(1024, ge=1, le=65_536, description="open connections; beyond: 503")
    max_header_bytes: int = Field(
        16 * KIB, ge=KIB, le=MIB, description="request line and headers together; beyond: 431"
    )
    header_timeout_s: Seconds = Field(
        10.0, description="until a request's headers are complete: 408"
    )
    body_timeout_s: Seconds = Field(30.0, description="until a request's body is complete: 408")
    answer_timeout_s: Seconds = Field(
        10.0,
        description="until an accepted request is answered, else 503; also until an answer is taken",
    )
    keep_alive_s: int = Field(75, ge=1, le=3600, description="an idle connection is kept so long")
    shutdown_grace_s: int = Field(
        20, ge=1, le=3600, description="on SIGTERM, accepted requests are answered for so long"
    )
    max_body_bytes: int = Field(
        MIB, ge=KIB, le=1024 * MIB, description="body of one transaction or of labels; beyond: 413"
    )
    max_batch_body_bytes: int = Field(
        16 * MIB, ge=KIB, le=1024 * MIB, description="body of a batch; beyond: 413"
    )
    max_batch_rows: int = Field(
        10_000, ge=1, le=1_000_000, description="transactions or labels of one request; beyond: 413"
    )
    max_waiting_rows: int = Field(
        20_000, ge=1, le=10_000_000, description="rows that wait for the engine; beyond: 503"
    )
    requests_per_key_per_s: float = Field(
        0.0,
        ge=0,
        le=1e6,
        allow_inf_nan=False,
        description="sustained rate of a key, else 429; 0: no limit",
    )
    requests_per_key_burst: int = Field(
        1000, ge=1, le=1_000_000, description="requests of a key at once, where its rate is limited"
    )

    labels_per_batch: int = Field(
        64, ge=1, le=100_000, description="labels joined between two turns of waiting transactions"
    )
    snapshot_every_events: int = Field(
        100_000,
        ge=100,
        le=1_000_000_000,
        description="events between two snapshots: the tail of a start",
    )
    switching: str = Field(
        text_of(SWITCHING),
        description="monitors whose alarms give way to plan B, as `monitor/subject` with `*` and commas;"
        " `none`: only people switch",
    )
    monitors_file: Path | None = Field(
        None, description="TOML with settings of the monitors, a section each"
    )
    stale_after_s: float = Field(
        STALE_AFTER_S,
        gt=0,
        le=SILENT_AFTER_S / 2.0,
        allow_inf_nan=False,
        description="a learner or monitor that is silent for so long is shown as stale;"
        f" after {SILENT_AFTER_S:g} it is started again",
    )
    latency_every_s: Seconds = Field(
        60.0, description="how often the ledger is told how fast answers were, if there were any"
    )

    webhook_url: str | None = Field(
        None,
        repr=False,
        description="alerts are posted there, signed: https, or http on this machine",
    )
    webhook_secret_file: Path | None = Field(
        None, description="file of the secret, of at least 16 bytes, that alerts are signed with"
    )
    report_timeout_s: Seconds = Field(
        600.0, description="a drift report that takes longer is given up"
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _config_error(error) from None

    @model_validator(mode="after")
    def _together(self) -> Self:
        _check_spelling(os.environ)
        patterns_of(self.switching, f"{PREFIX}SWITCHING")
        if self.clock == "traffic" and not self.demo:
            raise ConfigError(
                "traffic may move the clock only in a demo",
                field=f"{PREFIX}CLOCK",
                fix=f"leave it out, or set {PREFIX}DEMO=true",
            )
        if self.api_keys_file is None and not self.demo:
            raise ConfigError(
                "without API keys everybody could score, label and switch",
                field=f"{PREFIX}API_KEYS_FILE",
                fix=f"make a key with `make api-key`, or try it out with {PREFIX}DEMO=true",
            )
        if self.api_keys_file is None and not is_loopback(self.host):
            raise ConfigError(
                f"without API keys the demo listens on this machine only, not at {self.host}",
                field=f"{PREFIX}HOST",
                fix=f"use 127.0.0.1, or give {PREFIX}API_KEYS_FILE",
            )
        if self.webhook_url is not None:
            check_webhook(self.webhook_url)
        if (self.webhook_url is None) != (self.webhook_secret_file is None):
            raise ConfigError(
                "address and secret of alerts belong together",
                field=f"{PREFIX}WEBHOOK_URL",
                fix=f"give {PREFIX}WEBHOOK_SECRET_FILE too, or neither",
            )
        if self.max_waiting_rows < self.max_batch_rows:
            raise ConfigError(
                f"a batch of {PREFIX}MAX_BATCH_ROWS={self.max_batch_rows} could never wait",
                field=f"{PREFIX}MAX_WAITING_ROWS",
                fix=f"give at least {self.max_batch_rows}",
            )
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_webhook(url: str) -> None:
    """Refuse an address that alerts could be read at on their way; it is not repeated, as it may be secret.

    Raises:
        ConfigError: it is neither https nor http on this machine, or holds a password or a fragment.

    >>> check_webhook("https://example.org/hooks/1"), check_webhook("http://127.0.0.1:9000/")
    (None, None)
    >>> check_webhook("http://example.org/")
    Traceback (most recent call last):
    fraud_system.errors.ConfigError: FRAUD_WEBHOOK_URL: is neither https nor http on this machine (fix: give
     https://HOST/PATH)
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    problem = "is neither https nor http on this machine"
    if is_safe and host:
        if parts.username is None and parts.password is None and not parts.fragment:
            return
        problem = "holds a name, a password or a fragment"
    raise ConfigError(problem, field=f"{PREFIX}WEBHOOK_URL", fix="give https://HOST/PATH")


def table_of_variables() -> str:
    """The variables as a Markdown table, for the documents."""
    lines = ["| variable | default | kind | what it sets |", "|---|---|---|---|"]
    for name, field in Configuration.model_fields.items():
        default = "" if field.default is None else f"`{_written(field.default)}`"
        lines.append(f"| `{_variable(name)}` | {default} | {_kind(field)} | {field.description} |")
    return "\n".join(lines)


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _written(default: object) -> str:
    """As it would be written in the environment."""
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def _kind(field: FieldInfo) -> str:
    """What a variable takes, in words with its bounds."""
    choices = get_args(field.annotation)
    if Path in (field.annotation, *choices):
        return "path"
    if DirectoryPath in choices:
        return "path of a folder"
    if field.annotation is bool:
        return "true or false"
    if str in (field.annotation, *choices):
        return "text"
    if field.annotation in (int, float):
        return _number(field)
    return " or ".join(str(choice) for choice in choices)


def _number(field: FieldInfo) -> str:
    words = "a whole number" if field.annotation is int else "a number"
    for bound in field.metadata:
        if isinstance(bound, Ge):
            words += f" from {bound.ge:,.10g}"
        elif isinstance(bound, Gt):
            words += f" above {bound.gt:,.10g}"
        elif isinstance(bound, Le):
            words += f" to {bound.le:,.10g}"
    return words


def _config_error(error: ValidationError) -> ConfigError:
    """The first thing that pydantic found, as an error of this system."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    field = Configuration.model_fields.get(name)
    if field is None:
        return ConfigError("no such setting", field=_variable(name), fix=_nearest(_variable(name)))
    message = first["msg"][0].lower() + first["msg"][1:]
    return ConfigError(
        f"{message}, not {first['input']!s:.100}", field=_variable(name), fix=f"give {_kind(field)}"
    )


def _check_spelling(environment: Any) -> None:
    """A variable of this prefix that nothing reads is a mistake, e.g. FRAUD_PROT."""
    known = {*_OF_CLIENTS, *(_variable(name) for name in Configuration.model_fields)}
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise ConfigError("no such setting", field=name, fix=_nearest(name))


def _nearest(name: str) -> str:
    known = [_variable(each) for each in Configuration.model_fields]
    close = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.8)
    return f"did you mean {close[0]}?" if close else "`python -m serving.configuration` lists all"


if __name__ == "__main__":
    print(table_of_variables())

"""The secret that alerts are signed with, from a file that not everybody may read."""

from pathlib import Path

from fraud_system.errors import ConfigError

FIELD = "FRAUD_WEBHOOK_SECRET_FILE"
LEAST_BYTES, MOST_BYTES = 16, 4096


def read_secret(path: Path) -> bytes:
    """The file's content without white space around it.

    Raises:
        ConfigError: it cannot be read, others may read it, or it is too short or too long.
    """
    try:
        mode, found = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", field=FIELD, fix="name the file") from error
    if mode & 0o007:
        raise ConfigError(f"{path} may be read by others", field=FIELD, fix=f"chmod 640 {path}")
    secret = found.strip()
    if not LEAST_BYTES <= len(secret) <= MOST_BYTES:
        raise ConfigError(
            f"{path} holds {len(secret)} bytes, not {LEAST_BYTES} to {MOST_BYTES}",
            field=FIELD,
            fix="e.g. openssl rand -hex 32 > FILE",
        )
    return secret

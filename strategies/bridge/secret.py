"""The shared secret of worker and engine: a file only its owner may read."""

import os
import secrets
from pathlib import Path

from core.errors import BadInput
from strategies.bridge.frame import MIN_SECRET_BYTES


def load_secret(path: Path) -> bytes:
    """Return the secret in `path`, made first (mode 0600) when there is none.

    A file that others may read, or one shorter than 16 bytes, raises BadInput.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass  # made by an earlier start
    else:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise BadInput(f"the bridge secret {path} has mode {mode:04o}, so others may read it", f"Run chmod 600 {path}")
    secret = path.read_bytes().strip()
    if len(secret) < MIN_SECRET_BYTES:
        raise BadInput(
            f"the bridge secret {path} has {len(secret)} bytes, at least {MIN_SECRET_BYTES} are needed",
            "Delete the file while both processes are stopped; a new one is made at the next start",
        )
    return secret

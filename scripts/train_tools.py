"""Install the trainer's packages once for every checkout of a person, and let this environment see them.

They take 5 GB, nearly all of it torch, so they lie outside the checkout, in a folder named by their pins:
`$XDG_CACHE_HOME/xcrack/train-<hash>`. A line in this environment's site-packages puts that folder last on the path:
nothing in it can take the place of a package of the environment itself.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

PINS = Path(__file__).resolve().parents[1] / "constraints-train.txt"
POINTER = "xcrack-train.pth"


def main() -> None:
    """Install what is missing and point this environment at it."""
    folder = folder_of(PINS.read_bytes())
    if not folder.is_dir():
        print(f"setup: installing the trainer's packages into {folder} (once, about 5 GB)", flush=True)
        install(folder)
    pointer = Path(sysconfig.get_path("purelib")) / POINTER
    pointer.write_text(f"{folder}\n")


def folder_of(pins: bytes) -> Path:
    """Return where the packages of these pins lie, for this version of Python."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    mark = hashlib.sha256(pins + sys.version.split()[0].encode()).hexdigest()[:16]
    return cache / "xcrack" / f"train-{mark}"


def install(folder: Path) -> None:
    """Install the pins, and nothing that they only depend on, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--target", part, "-r", PINS], check=True)
        part.chmod(0o755)
        part.rename(folder)
    except OSError:
        # Another checkout was faster: its folder is the same.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


if __name__ == "__main__":
    main()

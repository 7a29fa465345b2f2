"""Install the peers, each at a pinned version in an environment of its own under `.bench/`.

They never share the project's environment: their dependencies differ from it, and a benchmark must not change what it
measures.
"""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".bench"
PEERS = {
    "websockets": ("websockets==17.4",),
    "hftbacktest": ("hftbacktest==2.4.4",),
    "backtestingpy": ("backtesting==0.6.6",),
    "torch_stack": (
        "torch==2.13.0",
        "scikit-learn==1.9.1",
        "xgboost-cpu==3.2.0",
        "onnx==1.23.2",
        "onnxmltools==1.16.0",
        "skl2onnx==1.20.0",
        "onnxruntime==1.31.1",
        "msgspec==0.22.0",
        "pyarrow>=22",
        "tzdata>=2025.2",
    ),
    "vectorbt": ("vectorbt==1.2.0",),
    "vectorbt_rust": ("vectorbt[rust]==1.2.0",),
    "talib": ("TA-Lib==0.8.2",),
    "talipp": ("talipp==2.7.0", "numpy>=2"),
}


def python_of(peer: str) -> Path | None:
    """Return the interpreter of an installed peer, None when it is not installed whole."""
    if not (HOME / peer / "installed").exists():
        return None
    return HOME / peer / "bin" / "python"


def install(peer: str) -> None:
    """Build the peer's environment; raises CalledProcessError when pip fails."""
    home = HOME / peer
    venv.create(home, with_pip=True, clear=True)
    subprocess.run([home / "bin" / "python", "-m", "pip", "install", "--quiet", *PEERS[peer]], check=True)
    (home / "installed").write_text("\n".join(PEERS[peer]) + "\n", encoding="utf-8")


def main() -> int:
    """Install what is missing; returns 1 when a peer cannot be installed, and goes on with the others."""
    failed = 0
    for peer in PEERS:
        if python_of(peer) is not None:
            print(f"{peer}: installed")
            continue
        try:
            install(peer)
            print(f"{peer}: installed")
        except subprocess.CalledProcessError as error:
            print(f"{peer}: pip failed with {error.returncode}; its rows will have no ratio", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())

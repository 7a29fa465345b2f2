"""Write the contracts that Rust exports, and the Python structs made from them; `--check` fails on drift.

    python scripts/schemas.py [--check] [--binary rust_engine/target/release/xcrack-engine]

Rust types are the source. `strategies/schemas/` holds them as JSON Schema, `core/model/generated/` as msgspec structs,
one file a message, with a `KINDS` map from a kind to its struct; what several messages hold is in `parts.py`.
`ml/features/registry.json` lists the features.
"""

import argparse
import ast
import filecmp
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = ROOT / "strategies" / "schemas"
GENERATED = ROOT / "core" / "model" / "generated"
REGISTRY = ROOT / "ml" / "features" / "registry.json"
HANDWRITTEN = {"_base.py"}
PARTS_HEADER = '''"""What several messages hold, generated from strategies/schemas/messages/."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from core.model.generated._base import Message
from msgspec import Meta
'''

OPTIONS = (
    "--input-file-type=jsonschema",
    "--output-model-type=msgspec.Struct",
    "--base-class=core.model.generated._base.Message",
    "--target-python-version=3.11",
    "--enum-field-as-literal=all",
    "--use-schema-description",
    "--use-inline-field-description",
    "--use-tuple-for-fixed-items",
    "--keyword-only",
    "--disable-timestamp",
    "--use-standard-collections",
    "--use-union-operator",
    "--formatters=builtin",
)


def main() -> int:
    """Write or check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a committed file differs")
    default = ROOT / "rust_engine" / "target" / "release" / "xcrack-engine"
    parser.add_argument("--binary", type=Path, default=default, help="the engine to export from")
    arguments = parser.parse_args()
    if not arguments.binary.is_file():
        print(f"{arguments.binary} does not exist: build the engine, or name one with --binary", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        schemas, structs = Path(folder) / "schemas", Path(folder) / "structs"
        subprocess.run([arguments.binary, "schema", "--out", schemas], check=True, stdout=subprocess.DEVNULL)
        registry = (schemas / "features" / "registry.json").replace(Path(folder) / "registry.json")
        structs.mkdir()
        write_structs(schemas / "messages", structs)
        pairs = [(schemas, SCHEMAS), (structs, GENERATED)]
        if arguments.check:
            drift = [name for fresh, kept in pairs for name in differing(fresh, kept)]
            if not REGISTRY.is_file() or registry.read_bytes() != REGISTRY.read_bytes():
                drift.append(str(REGISTRY.relative_to(ROOT)))
            for name in drift:
                print(f"{name} differs from what the Rust types say: run python scripts/schemas.py", file=sys.stderr)
            return 1 if drift else 0
        for fresh, kept in pairs:
            replace(fresh, kept)
        shutil.copyfile(registry, REGISTRY)
    return 0


def write_structs(messages: Path, out: Path) -> None:
    """Write one module a message schema, and `__init__.py` with KINDS."""
    titles: dict[str, str] = {}
    for path in sorted(messages.glob("*.json")):
        schema = json.loads(path.read_text())
        titles[path.stem] = schema["title"]
        plain = out / path.name
        plain.write_text(json.dumps(for_generator(schema)))
        target = out / f"{path.stem}.py"
        header = f'"""Message `{path.stem}`, generated from strategies/schemas/messages/{path.name}."""'
        # The generator warns that msgspec cannot restate the length of a tuple, which the tuple type itself states.
        module = [sys.executable, "-W", "ignore", "-m", "datamodel_code_generator"]
        command = [*module, *OPTIONS, f"--custom-file-header={header}"]
        subprocess.run([*command, f"--input={plain}", f"--output={target}"], check=True, cwd=ROOT)
        plain.unlink()
        # The type checker wants each class to repeat what the base enforces at run time.
        target.write_text(target.read_text().replace("(Message, kw_only=True)", "(Message, frozen=True, kw_only=True)"))
    share_parts({out / f"{kind}.py": title for kind, title in titles.items()}, out / "parts.py")
    (out / "__init__.py").write_text(kinds_module(titles))


def for_generator(node: Any) -> Any:
    """Return the schema in the form the generator reads best; the meaning is the same.

    A described enum becomes a plain one, sized integers become integers, and a nullable field is required,
    because Rust always writes it.
    """
    if isinstance(node, list):
        return [for_generator(item) for item in node]
    if not isinstance(node, dict):
        return node
    choices = node.get("oneOf", [])
    if choices and all("const" in choice for choice in choices):
        node = {k: v for k, v in node.items() if k != "oneOf"} | {"enum": [choice["const"] for choice in choices]}
    if node.get("type") == "integer":
        node = {k: v for k, v in node.items() if k != "format"}
    if isinstance(node.get("properties"), dict):
        node = node | {"required": sorted(node["properties"])}
    return {key: for_generator(value) for key, value in node.items()}


def share_parts(titles: dict[Path, str], target: Path) -> None:
    """Move the structs that several modules hold alike into one module. Raises ValueError for two of one name."""
    holders: dict[tuple[str, str], list[Path]] = {}
    for path, title in titles.items():
        text = path.read_text()
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and node.name != title:
                holders.setdefault((node.name, ast.get_source_segment(text, node) or ""), []).append(path)
    names = [name for name, _ in holders]
    if len(names) != len(set(names)):
        raise ValueError(f"parts of one name differ between messages: {sorted(names)}")
    shared = {part: paths for part, paths in sorted(holders.items()) if len(paths) > 1}
    for path in titles:
        taken = {name: source for (name, source), paths in shared.items() if path in paths}
        if taken:
            path.write_text(without(path.read_text(), taken))
    target.write_text(PARTS_HEADER + "".join(f"\n\n{source}\n" for _, source in shared))


def without(text: str, taken: dict[str, str]) -> str:
    """Return a module that imports the structs `taken`, by name with their source, and does not hold them."""
    for source in taken.values():
        text = text.replace(f"{source}\n\n\n", "")
    line = f"from core.model.generated.parts import {', '.join(taken)}\n"
    return text.replace("from msgspec import Meta\n", f"{line}from msgspec import Meta\n", 1)


def kinds_module(titles: dict[str, str]) -> str:
    """Return the source of `__init__.py`."""
    lines = ['"""Messages of the bridge, one module each, generated from the Rust types by scripts/schemas.py."""', ""]
    lines += [f"from core.model.generated.{kind} import {title}" for kind, title in titles.items()]
    lines.insert(2, "from core.model.generated._base import Message")
    lines += ["", f"__all__ = {json.dumps(sorted([*titles.values(), 'Message', 'KINDS']))}", ""]
    lines += ["KINDS: dict[str, type[Message]] = {"]
    lines += [f'    "{kind}": {title},' for kind, title in titles.items()]
    return "\n".join([*lines, "}", '"""Struct of every kind."""', ""])


def files_of(folder: Path) -> dict[str, Path]:
    """Return the generated files under a folder by relative path."""
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.suffix in (".json", ".py")}
    return {name: path for name, path in found.items() if name not in HANDWRITTEN}


def differing(fresh: Path, kept: Path) -> list[str]:
    """Return names that are missing, left over or different in the committed folder."""
    new, old = files_of(fresh), files_of(kept)
    same = {name for name in new.keys() & old.keys() if filecmp.cmp(new[name], old[name], shallow=False)}
    return [str((kept / name).relative_to(ROOT)) for name in sorted((new.keys() | old.keys()) - same)]


def replace(fresh: Path, kept: Path) -> None:
    """Make the committed folder equal to the fresh one."""
    new, old = files_of(fresh), files_of(kept)
    for name in old.keys() - new.keys():
        old[name].unlink()
    for name, path in new.items():
        (kept / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, kept / name)


if __name__ == "__main__":
    sys.exit(main())

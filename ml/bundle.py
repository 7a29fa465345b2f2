"""What is served: a folder of ONNX and JSON files that one card lists by hash, and the door that lets nothing else in.

    <models>/<sha256>/card.json           canonical JSON; the bundle's name is the SHA-256 of these bytes
    <models>/<sha256>/<expert>.onnx       float32, weights inside
    <models>/<sha256>/<expert>.int8.onnx  the same with int8 weights, where that changes no decision
    <models>/<sha256>/<expert>.step.onnx  one row at a time with carried state
    <models>/<sha256>/<expert>.trees.json the booster as xgboost writes it, for explanations

No file is opened that the card does not list, and none that can hold code: no pickle, joblib, .pt, .pt2 or zip. Each
file is read once and hashed in memory, and the runtime is given those bytes, never a path. So what was checked is what
runs.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from core.durable import write_folder
from core.errors import BadInput, Corrupt, Refused
from core.model.canonical import canonical_json, from_json
from ml.onnx_check import require_plain_onnx

FORMAT = 1
CARD = "card.json"
MAX_CARD_BYTES = 8 * 2**20
MAX_FILE_BYTES = 64 * 2**20
MAX_BUNDLE_BYTES = 256 * 2**20
SUFFIXES = {
    "model": ".onnx",
    "int8": ".int8.onnx",
    "step": ".step.onnx",
    "step_int8": ".step.int8.onnx",
    "trees": ".trees.json",
}
"""Role of a file, and how its name ends after the expert's name."""

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Positive = Annotated[int, Meta(ge=1, le=2**53)]
Role = Literal["model", "int8", "step", "step_int8", "trees"]
Input = Literal["scaled", "raw"]
Form = Literal["window", "step", "tabular", "builtin"]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file of a bundle."""

    name: Annotated[str, Meta(max_length=80)]
    sha256: Sha256
    n_bytes: Positive


@dataclass(frozen=True, slots=True)
class StateFacts:
    """One tensor that a step form takes in as `name` and gives back as `<name>_next`; zeros when a segment starts."""

    name: Name
    shape: tuple[Annotated[int, Meta(ge=1, le=65_536)], ...]
    """Without the batch axis, which comes first."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured value with its uncertainty. NaN cannot be stored: what could not be measured is left out."""

    value: float
    low: float
    high: float
    """Bounds of the interval at level `level`."""
    level: Annotated[float, Meta(gt=0, lt=1)]
    n: Count
    """Rows that it was measured on."""
    method: str


@dataclass(frozen=True, slots=True)
class Measure:
    """A named metric of the whole bundle or of one expert."""

    name: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class ExpertCard:
    """One expert: what it reads, which files hold it, and how its probability is corrected.

    Every ONNX form takes float32 `x` and gives float32 `p` (batch,), the uncalibrated probability that the label is 1.
    `x` is (batch, time, features) for a window of at most `lookback` rows, and (batch, features) for tabular and step
    forms. A builtin expert has no file: `numbers` hold all of it.
    """

    name: Name
    kind: Name
    """lstm, gru, transformer, tcn, mlp, random_forest, xgboost, logistic, prior, …"""
    form: Form
    """The form to serve. `step` agrees with `window` within `errors["step_…"]`."""
    lookback: Annotated[int, Meta(ge=1, le=4_096)]
    """Rows of a window; 1 for one row alone."""
    input: Input
    """Whether `x` is scaled by the card's scaler first, or is the features themselves with NaN where unknown."""
    files: dict[Role, FileFacts]
    calibration: dict[str, Any]
    """As `ml.calibration` writes it; empty for none."""
    states: tuple[StateFacts, ...] = ()
    numbers: dict[str, tuple[float, ...]] = field(default_factory=dict)
    settings: dict[str, float] = field(default_factory=dict)
    """Hyper-parameters that it was fitted with."""
    errors: dict[str, float] = field(default_factory=dict)
    """Measured at export against the trainer: largest absolute difference of `p`, by form."""
    metrics: tuple[Measure, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelCard:
    """All that is known of a bundle. Times are UTC milliseconds since 1970."""

    format: Annotated[int, Meta(ge=FORMAT, le=FORMAT)]
    kind: Literal["experts"]
    interval_ms: Positive
    task: Name
    """Name of the label, as `ml.labels` defines it."""
    horizon_bars: Positive
    threshold: float
    """Of the label where it has one, else 0."""
    symbols: tuple[str, ...]
    start_at_ms: int
    """Close of the first row that anything was fitted on."""
    end_at_ms: int
    """Close of the last bar that any label or row of training or measuring looked at."""
    feature_schema_sha256: Sha256
    features: tuple[str, ...]
    """Names in the order of the columns."""
    scaler: dict[str, Any]
    """As `ml.features.scaling` writes it."""
    experts: tuple[ExpertCard, ...]
    metrics: tuple[Measure, ...]
    trials: Count
    """Hyper-parameter trials that were run to get here, this one included."""
    data_sha256: Sha256
    code_sha256: Sha256
    seed: Count
    trained_at_ms: int
    versions: dict[str, str]
    """Of the libraries that fitted and exported."""
    reference: dict[str, Any] = field(default_factory=dict)
    """How the rows of training lay, as `ml.online.blocks` writes it; empty in bundles of older trainers."""

    @property
    def sha256(self) -> str:
        """The bundle's name."""
        return hashlib.sha256(card_bytes(self)).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A checked bundle in memory."""

    sha256: str
    card: ModelCard
    files: Mapping[str, bytes]
    """By name: exactly the bytes that were hashed."""

    def data(self, expert: ExpertCard, role: Role) -> bytes:
        """Return the bytes of a file. Raises KeyError for a role that the expert has not."""
        return self.files[expert.files[role].name]


def card_bytes(card: ModelCard) -> bytes:
    """Return the card as it is stored and hashed."""
    plain = msgspec.to_builtins(card)
    if not card.reference:
        # A card that was written before there were references keeps its bytes, and with them its name.
        del plain["reference"]
    return canonical_json(plain).encode()


def file_facts(name: str, data: bytes) -> FileFacts:
    """Return what a card says of a file."""
    return FileFacts(name, hashlib.sha256(data).hexdigest(), len(data))


def write_bundle(models: Path, card: ModelCard, files: Mapping[str, bytes]) -> Path:
    """Write the bundle into `<models>/<sha256>`, whole or not at all, and return that folder.

    The same bundle written again is left as it is. Raises BadInput for a card that cannot be read back or that its
    files do not fit, Refused for a file that loading would refuse, Corrupt when the folder is there and damaged,
    OSError when the disk says no.
    """
    raw = card_bytes(card)
    try:
        _require_sound_card(_parse_card(raw, "the new card"), "the new card")
        _require_listed(card, {name: len(data) for name, data in files.items()}, "the new bundle")
    except Corrupt as error:
        raise BadInput(error.message, "Nothing was written") from error
    _require_contents(card, files, "the new bundle")
    folder = models / hashlib.sha256(raw).hexdigest()
    if not folder.exists():
        try:
            write_folder(folder, {**files, CARD: raw})
        except OSError as error:
            # Two trainers may come to the same bytes at once; the folder is then complete.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    load_bundle(folder, folder.name, card.feature_schema_sha256)
    return folder


def load_bundle(folder: Path, expected_sha256: str, feature_schema_sha256: str) -> Bundle:
    """Return the bundle in `folder` after every check; no runtime has seen a byte of it before.

    Raises Corrupt for a missing, changed, cut off or unlisted file and for a card other than `expected_sha256`, Refused
    for features of another schema, a file that is too large, and ONNX that reaches outside itself.
    """
    sizes = _sizes(folder)
    if CARD not in sizes:
        raise _corrupt(f"the model bundle {folder} has no {CARD}")
    raw = _read(folder / CARD, min(sizes[CARD], MAX_CARD_BYTES + 1))
    if len(raw) > MAX_CARD_BYTES:
        raise _too_large(folder / CARD, MAX_CARD_BYTES)
    if hashlib.sha256(raw).hexdigest() != expected_sha256:
        raise _corrupt(f"{folder / CARD} is not the card of model {expected_sha256[:12]}")
    card = _parse_card(raw, str(folder / CARD))
    _require_sound_card(card, str(folder / CARD))
    if card.feature_schema_sha256 != feature_schema_sha256:
        raise Refused(
            f"model {expected_sha256[:12]} reads features of schema {card.feature_schema_sha256[:12]} and this program "
            f"makes {feature_schema_sha256[:12]}",
            "Train again with this version, or serve an older model of this schema",
        )
    del sizes[CARD]
    _require_listed(card, sizes, f"the model bundle {folder}")
    files = {name: _read(folder / name, n_bytes) for name, n_bytes in sizes.items()}
    _require_contents(card, files, f"the model bundle {folder}")
    return Bundle(expected_sha256, card, files)


def _sizes(folder: Path) -> dict[str, int]:
    """Return the size of every file; a link, a folder or a special file is refused before anything is opened."""
    sizes: dict[str, int] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_file(follow_symlinks=False):
                    raise _corrupt(f"{folder / entry.name} is not a plain file")
                sizes[entry.name] = entry.stat(follow_symlinks=False).st_size
    except OSError as error:
        raise _corrupt(f"the model bundle {folder} cannot be read: {error.strerror}") from error
    return sizes


def _read(path: Path, n_bytes: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _corrupt(f"{path} is not a plain file")
            # One byte more than expected: a file that grew meanwhile fails its hash instead of filling the memory.
            return file.read(n_bytes + 1)
    except OSError as error:
        raise _corrupt(f"{path} cannot be read: {error.strerror}") from error


def _parse_card(raw: bytes, where: str) -> ModelCard:
    try:
        card = from_json(raw, ModelCard)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _corrupt(f"{where} is not a model card: {error}") from error
    # Fields that nobody reads, numbers in another spelling and NaN (written as null) all show here.
    if card_bytes(card) != raw:
        raise _corrupt(f"{where} is not a canonical model card")
    return card


def _require_sound_card(card: ModelCard, where: str) -> None:
    names = [expert.name for expert in card.experts]
    if not names or len(set(names)) < len(names):
        raise _corrupt(f"{where} lists no expert, or one twice")
    if not card.features or len(set(card.features)) < len(card.features):
        raise _corrupt(f"{where} lists no feature, or one twice")
    for expert in card.experts:
        for role, facts in expert.files.items():
            if facts.name != expert.name + SUFFIXES[role]:
                raise _corrupt(f"{where} gives expert {expert.name} the file '{facts.name}' as {role}")
        if expert.form == "builtin":
            complete = bool(expert.numbers) and not expert.files
        elif expert.form == "step":
            complete = "step" in expert.files and bool(expert.states)
        else:
            complete = "model" in expert.files
        if not complete:
            raise _corrupt(f"{where} lacks what expert {expert.name} needs in form {expert.form}")
        if expert.form in ("tabular", "builtin") and expert.lookback != 1:
            raise _corrupt(f"{where} lets expert {expert.name} look back {expert.lookback} rows in form {expert.form}")


def _require_listed(card: ModelCard, sizes: Mapping[str, int], where: str) -> None:
    listed = {facts.name: facts for expert in card.experts for facts in expert.files.values()}
    for name in sizes:
        if name not in listed:
            raise _corrupt(f"{where} holds '{name[:80]}', which its card does not list")
    for name, facts in listed.items():
        if name not in sizes:
            raise _corrupt(f"{where} lacks {name}")
        if facts.n_bytes > MAX_FILE_BYTES:
            raise _too_large(Path(name), MAX_FILE_BYTES)
        if sizes[name] != facts.n_bytes:
            raise _corrupt(f"{where}: {name} has {sizes[name]} bytes instead of {facts.n_bytes}")
    if sum(sizes.values()) > MAX_BUNDLE_BYTES:
        raise _too_large(Path(where), MAX_BUNDLE_BYTES)


def _require_contents(card: ModelCard, files: Mapping[str, bytes], where: str) -> None:
    for expert in card.experts:
        for role, facts in expert.files.items():
            data = files[facts.name]
            if hashlib.sha256(data).hexdigest() != facts.sha256:
                raise _corrupt(f"{where}: {facts.name} is not the file that its card lists")
            if role != "trees":
                require_plain_onnx(facts.name, data)


def _corrupt(what: str) -> Corrupt:
    return Corrupt(what, "Nothing was loaded; restore the folder from a backup or train again")


def _too_large(path: Path, limit: int) -> Refused:
    return Refused(f"{path} is larger than {limit // 2**20} MiB", "Train a smaller model; nothing was loaded")

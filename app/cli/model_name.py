"""A model as people name it: by the first digits of its hash."""

from collections.abc import Sequence

from core.errors import BadInput, UnknownName
from core.store import Session, model_versions

MIN_DIGITS = 8
_LIST = "List them with `xcrack models list`"


def model_named(session: Session, begins: str) -> str:
    """Return the id of the one registered model that begins so. Raises BadInput and UnknownName."""
    return one_of([version.model_id for version in model_versions.latest(session, 100_000)], begins)


def one_of(model_ids: Sequence[str], begins: str) -> str:
    """Return the one id that begins so. Raises BadInput for fewer than 8 digits, UnknownName for none or several."""
    if len(begins) < MIN_DIGITS:
        raise BadInput(f"'{begins}' has fewer than {MIN_DIGITS} digits", _LIST)
    known = [model_id for model_id in model_ids if model_id.startswith(begins)]
    if len(known) != 1:
        raise UnknownName(f"{len(known)} models begin with '{begins[:64]}'", _LIST)
    return known[0]

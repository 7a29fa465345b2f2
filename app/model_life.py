"""Models on their way: the trials beside what serves, and what people decide about models."""

from collections.abc import Callable, Sequence

from app.home import Home
from app.replay import PLAN, Plan
from app.requests import Errand
from core.clock import Clock
from core.errors import Refused
from core.model.operations import Request
from core.settings import Settings
from core.store import Store, setting_facts
from feedback.alerts import AlertDesk
from feedback.signals.trials import Trials
from ml.bundle import ModelCard
from ml.features.inputs import require_inputs
from ml.features.registry import load_registry
from ml.registry import ModelRegistry


def build_trials(
    settings: Settings,
    home: Home,
    store: Store,
    clock: Clock,
    alerts: AlertDesk,
    symbols: Sequence[str],
    on_changed: Callable[[], object],
) -> Trials | None:
    """Return the trials of a worker that has the bars of `symbols`.

    None where the settings name what speaks, and nothing may take its place.
    """
    if settings.models.serve:
        return None
    features = load_registry()
    return Trials(
        store,
        clock,
        ModelRegistry(store, clock, home.models, lambda card: require_inputs(features, card, symbols)),
        alerts,
        features.names,
        features.schema_sha256,
        is_online=settings.models.online == "on",
        miss_target=settings.models.miss_target,
        on_changed=on_changed,
    )


def build_model_errands(settings: Settings, store: Store, clock: Clock, home: Home) -> dict[str, Errand]:
    """Return what people's requests about models do. Repeated after a kill, each changes nothing more.

    The worker follows the registry within seconds; where the settings name what speaks, both are refused.
    """

    def admit(card: ModelCard) -> None:
        with store.session() as session:
            plan = setting_facts.get(session, PLAN, Plan)
        if plan is not None:
            require_inputs(load_registry(), card, plan.symbols)

    registry = ModelRegistry(store, clock, home.models, admit)

    def promote(request: Request) -> str:
        _require_followed(settings)
        version = registry.move(request.subject_id, "active", request.by, request.reason)
        registry.prune(version.slot, request.by)
        return f"model {version.model_id[:12]} is active for {version.slot}"

    def roll_back(request: Request) -> str:
        _require_followed(settings)
        version = registry.rollback(request.subject_id, request.by, request.reason, once=request.request_id)
        return f"model {version.model_id[:12]} is active again for {version.slot}"

    return {"promote_model": promote, "rollback_model": roll_back}


def _require_followed(settings: Settings) -> None:
    if settings.models.serve:
        raise Refused("`models.serve` names what speaks, whatever the registry says", "Empty it, then ask again")

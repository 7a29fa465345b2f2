"""Who asks for trainings here, as the settings say."""

from core.settings import Settings
from feedback.alerts import AlertDesk
from feedback.signals.retraining import Retraining
from ml.train.parent import has_trainer


def build_retraining(settings: Settings, alerts: AlertDesk) -> Retraining:
    """Return who asks for trainings; where the settings name what speaks, a training would change nothing."""
    is_online = settings.models.online == "on" and not settings.models.serve
    return Retraining(alerts, is_online, settings.models.retrain_weekly, has_trainer)

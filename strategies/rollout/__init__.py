"""How a change reaches the engine, by which steps it earns capital, and how it is taken back."""

from strategies.rollout.checks import brought_by, is_way_back, is_wider, share_in_force
from strategies.rollout.deployments import Rollout
from strategies.rollout.records import CanaryDesk

__all__ = ["CanaryDesk", "Rollout", "brought_by", "is_way_back", "is_wider", "share_in_force"]

"""How a change reaches the engine, by which steps it earns capital, and how it is taken back."""

from strategies.rollout.deployments import Rollout, is_wider

__all__ = ["Rollout", "is_wider"]

"""The advisor in real time: rules first, a language model within a deadline, and a policy for when it fails.

`advisor` answers the engine; `rules`, `policy` and `calibration` judge, and are pure; `desk` works off questions
outside of the transaction that took them; `llm` asks a model behind `breaker` and `hedge`, and reads its `first_token`.
"""

from feedback.advisor.advisor import RealTimeAIAdvisor
from feedback.advisor.build import build_advisor
from feedback.advisor.desk import AdviceDesk
from feedback.advisor.rules import Surroundings
from feedback.advisor.settle import SettleRoom

__all__ = ["AdviceDesk", "RealTimeAIAdvisor", "SettleRoom", "Surroundings", "build_advisor"]

"""Slots in what a day brought: the account is live instances and what canaries made, nothing simulated."""

from datetime import date, timedelta
from decimal import Decimal

from app.performance import daily_totals, live_marks
from core.clock import kst_day_bounds
from core.model.generated import EquityMark
from core.store import equity, trades
from feedback.day import load_day
from feedback.plausibility import equity_faults
from feedback.results import funded_instances, live_instances, summarise_day
from tests import factories

ON = date(2026, 3, 2)
START, END = kst_day_bounds(ON)
HOUR = timedelta(hours=1)
LIVE, CANARY, TWIN = "momentum-1", "momentum-1.canary", "momentum-1.day0"


def mark(session, at, equity_usd, capital_usd="10000", instance_id=LIVE, mode="live"):
    fields = {"capital_usd": Decimal(capital_usd), "instance_id": instance_id, "mode": mode}
    equity.add(session, factories.equity(at, equity_usd, **fields))


def test_an_idle_canary_and_simulated_companions_are_not_listed(store):
    with store.session() as session:
        for at in (START, END):
            mark(session, at, "10000")
            mark(session, at, "0", "0", CANARY, "canary")
            mark(session, at, "12000", instance_id=TWIN, mode="twin")
        assert live_instances(session, ON) == (LIVE,)
        assert [instance.instance_id for instance in load_day(session, ON).instances] == [LIVE]
        assert funded_instances(session, ON) == (LIVE, CANARY)


def test_a_canary_is_listed_on_days_it_traded_and_what_it_lost_stays_in_the_sums(store):
    with store.session() as session:
        mark(session, START, "9000", "9000")
        mark(session, END, "10010")
        mark(session, START, "1000", "1000", CANARY, "canary")
        mark(session, END, "-30", "0", CANARY, "canary")
        mark(session, END + 24 * HOUR, "10010")
        mark(session, END + 24 * HOUR, "-30", "0", CANARY, "canary")
        assert live_instances(session, ON) == (LIVE, CANARY)
        assert live_instances(session, ON + timedelta(days=1)) == (LIVE,)
        assert summarise_day(session, ON, []).equity_change_usd == Decimal(-20)
        assert sum(one.capital_usd for one in live_marks(session)) == Decimal(10000)
        totals = daily_totals(session, END + 24 * HOUR, 3)
        assert (totals[0].equity_usd, totals[-1].equity_usd) == (Decimal(10000), Decimal(9980))


def test_trades_of_companions_are_kept_and_asked_for_by_name(store):
    with store.session() as session:
        trades.add(session, factories.trade("t1"))
        trades.add(session, factories.trade("t2", instance_id=TWIN, mode="twin"))
        assert (trades.count(session), [t.trade_id for t in trades.latest(session, 5)]) == (1, ["t1"])
        assert [t.trade_id for t in trades.latest(session, 5, instance_id=TWIN)] == ["t2"]


def test_a_mark_without_capital_is_plausible_and_one_below_zero_is_not():
    fields = {
        "at_ns": 1, "costs": Decimal(0), "equity": Decimal(-3), "gross_notional": Decimal(0), "instance_id": CANARY,
        "mode": "canary", "params_version": 1, "positions": {}, "prices": {}, "strategy": "sma_cross",
    }  # fmt: skip
    assert list(equity_faults(EquityMark(capital=Decimal(0), **fields), START)) == []
    assert list(equity_faults(EquityMark(capital=Decimal(-1), **fields), START)) != []

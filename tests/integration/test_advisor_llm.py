"""The advisor's call over real sockets in virtual time: whatever the server does, it ends at its deadline, is paid for
once, and says why there is no answer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from core.clock import VirtualClock
from core.settings import Settings
from core.store import Store
from feedback.advisor.build import DeskPools, advice_client, open_decider
from feedback.advisor.hedge import MIN_SEEN
from feedback.advisor.port import Decided
from feedback.analyzer.prices import PriceTable
from tests.advisor_world import KEY, AdvisorWorld, advisor_world
from tests.factories import NOON
from tests.virtual_loop import run_virtual

T = TypeVar("T")
CENT = Decimal("0.01")


def in_world(store: Store, *modes: str, use: Callable[[AdvisorWorld], Awaitable[T]], **over: Any) -> T:
    async def run() -> T:
        async with advisor_world(store, *modes, **over) as world:
            return await use(world)

    return run_virtual(run())


def now() -> float:
    return asyncio.get_running_loop().time()


async def one(world: AdvisorWorld) -> tuple[Decided | str, float]:
    """Ask once with 800 ms; return the answer and the loop's time that it took."""
    started = now()
    return await world.ask(started + 0.8), now() - started


@pytest.mark.parametrize(
    ("mode", "p_yes", "is_bare"),
    [("yes", 0.948, False), ("no", 0.053, False), ("unsure", 0.5, False), ("spaced", 0.948, False),
     ("bare_yes", 1.0, True), ("bare_no", 0.0, True), ("split", 1.0, True)],
)  # fmt: skip
def test_an_answer_is_its_first_word_with_its_probability(store: Store, mode: str, p_yes: float, is_bare: bool) -> None:
    said, seconds = in_world(store, mode, use=one)
    assert isinstance(said, Decided)
    assert (said.p_yes, said.is_bare, said.source) == (pytest.approx(p_yes, abs=0.001), is_bare, "llm:m-1017")
    assert len(said.call_ids) == 1 and seconds == 0


@pytest.mark.parametrize(
    ("mode", "reason", "status", "is_free"),
    [
        ("drip", "timeout", "timeout", False),
        ("trickle", "timeout", "timeout", False),
        ("late", "timeout", "timeout", False),
        ("hang", "timeout", "timeout", False),
        ("reset", "error", "connection", False),
        ("mid_reset", "error", "connection", False),
        ("html200", "error", "not_json", False),
        ("error200", "error", "not_json", False),
        ("in_stream_error", "error", "empty", False),
        ("broken", "error", "not_json", False),
        ("nested", "error", "not_json", False),
        ("babble", "error", "not_json", False),
        ("429", "error", "http_429", True),
        ("500", "error", "http_500", True),
        ("402", "over_budget", "http_402", True),
        ("blank", "no_answer", "invalid", False),
        ("neither", "no_answer", "invalid", False),
        ("prose", "invalid", "invalid", False),
        ("bad_logprob", "invalid", "invalid", False),
    ],
)
def test_each_fault_has_its_reason_and_its_price_and_ends_by_the_deadline(
    store: Store, mode: str, reason: str, status: str, is_free: bool
) -> None:
    async def use(world: AdvisorWorld) -> None:
        said, seconds = await one(world)
        assert said == reason
        assert seconds == (pytest.approx(0.8) if reason == "timeout" else 0)
        [call] = await world.calls()
        assert (call.status, call.cost_usd, call.reserved_usd) == (status, 0 if is_free else CENT, CENT)
        assert KEY not in str(call)

    in_world(store, mode, use=use)


def test_a_server_that_never_answers_is_hung_up_on_at_the_deadline_and_counted(store: Store) -> None:
    async def use(world: AdvisorWorld) -> None:
        for n in range(20):
            assert await world.ask(now() + 0.8, n) == "timeout"
        await asyncio.sleep(0.001)
        assert (world.server.n_hung_up, world.server.n_open) == (20, 0)
        started = now()
        assert await world.ask(started + 0.8) == "breaker_open"
        assert now() == started and len(world.server.requests) == 20
        await asyncio.sleep(30)
        assert await world.ask(now() + 0.8) == "timeout"
        assert await world.ask(now() + 0.8) == "breaker_open"
        assert len(world.server.requests) == 21

    in_world(store, "drip", use=use)


def test_what_is_asked_streams_one_token_without_thinking_and_holds_the_fixed_prompt(store: Store) -> None:
    async def use(world: AdvisorWorld) -> None:
        await one(world)
        [request] = world.server.requests
        assert {k: request[k] for k in ("stream", "logprobs", "top_logprobs", "max_tokens", "thinking")} == {
            "stream": True, "logprobs": True, "top_logprobs": 5, "max_tokens": 1, "thinking": {"type": "disabled"},
        }  # fmt: skip
        assert [message["role"] for message in request["messages"]] == ["system", "user"]
        [call] = await world.calls()
        assert (call.task, call.status, call.response_text, call.cost_usd) == ("advice", "ok", "p=0.9479", CENT)

    in_world(store, "yes", use=use)


def test_an_early_stop_costs_the_whole_reservation(store: Store) -> None:
    async def use(world: AdvisorWorld) -> None:
        await one(world)
        [call] = await world.calls()
        assert (call.cost_usd, call.reserved_usd) == (3 * CENT, 3 * CENT)

    in_world(store, "yes", use=use, max_tokens=3)


def test_more_callers_than_places_fall_back_at_once(store: Store) -> None:
    async def use(world: AdvisorWorld) -> None:
        started = now()
        asked = [asyncio.create_task(world.ask(started + 0.8, n)) for n in range(20)]
        await asyncio.sleep(0.001)
        shed = [task.result() for task in asked if task.done()]
        assert shed == ["shed"] * 12
        assert [said for said in await asyncio.gather(*asked) if said == "timeout"] == ["timeout"] * 8
        assert len(world.server.requests) == 8

    in_world(store, "hang", use=use)


def test_a_hundred_callers_at_once_never_overshoot_the_budget_by_a_cent(store: Store) -> None:
    async def use(world: AdvisorWorld) -> None:
        world.decider.settings = world.decider.settings.model_copy(update={"max_concurrent": 100})
        said = await asyncio.gather(*(world.ask(now() + 0.8, n) for n in range(100)))
        assert sum(isinstance(each, Decided) for each in said) == 37
        assert said.count("over_budget") == 63
        calls = await world.calls()
        assert sum(call.cost_usd for call in calls) == Decimal("0.37")
        assert len(world.server.requests) == 37

    in_world(store, "yes", use=use, cap_usd="0.379")


def test_an_empty_purse_says_nothing_of_the_server(store: Store) -> None:
    async def use(world: AdvisorWorld) -> None:
        for n in range(25):
            assert await world.ask(now() + 0.8, n) == "over_budget"
        assert world.decider.breaker.state(now()) == "closed" and world.server.requests == []

    in_world(store, "yes", use=use, cap_usd="0")


@pytest.mark.parametrize(("mode", "quiet_s"), [("429", 60), ("402", 30)])
def test_a_server_that_wants_quiet_is_not_asked_meanwhile(store: Store, mode: str, quiet_s: float) -> None:
    async def use(world: AdvisorWorld) -> None:
        await world.ask(now() + 0.8)
        assert await world.ask(now() + 0.8) == "breaker_open"
        await asyncio.sleep(quiet_s - 0.1)
        assert await world.ask(now() + 0.8) == "breaker_open"
        await asyncio.sleep(0.1)
        assert isinstance(await world.ask(now() + 0.8), Decided)

    in_world(store, mode, "yes", use=use)


async def warm_up(world: AdvisorWorld) -> None:
    """Have enough first chunks timed for a hedge, and one second call earned."""
    for n in range(MIN_SEEN):
        assert isinstance(await world.ask(now() + 0.8, n), Decided)


def test_a_call_that_hesitates_is_sent_a_second_time_and_the_loser_hung_up_on(store: Store) -> None:
    async def use(world: AdvisorWorld) -> None:
        await warm_up(world)
        said, seconds = await one(world)
        assert isinstance(said, Decided) and seconds < 0.01
        assert len(said.call_ids) == 2
        assert len(world.server.requests) == MIN_SEEN + 2
        calls = await world.calls()
        assert sum(call.cost_usd for call in calls) == (MIN_SEEN + 2) * CENT
        assert [call.status for call in calls].count("timeout") == 1
        await asyncio.sleep(0.001)
        assert world.server.n_hung_up == 1

    in_world(store, *["yes"] * MIN_SEEN, "hang", "yes", use=use)


def test_the_second_call_goes_to_the_other_server_where_there_is_one(store: Store) -> None:
    async def use(world: AdvisorWorld) -> None:
        await warm_up(world)
        said, _ = await one(world)
        assert isinstance(said, Decided) and said.p_yes < 0.5
        assert world.second is not None
        assert (len(world.server.requests), len(world.second.requests)) == (MIN_SEEN + 1, 1)

    in_world(store, *["yes"] * MIN_SEEN, "hang", second=("no",), use=use)


def test_each_server_costs_what_its_own_address_does(store: Store) -> None:
    settings = Settings(
        analyzer={"provider": "vllm", "model": "qwen", "base_url": "http://127.0.0.1:9/v1"},
        advisor={"hedge_endpoint": {"base_url": "http://0.0.0.0:9/v1"}},
    )
    client = advice_client(settings, store, VirtualClock(NOON))
    assert client is not None

    async def run() -> None:
        async with open_decider(settings, client, DeskPools.make()) as decider:
            hedge = decider.hedge_endpoint
            assert hedge is not None and hedge.ledger is not None
            assert decider.ledger.prices.ceiling_usd("qwen", 1, 1, NOON) == 0
            assert hedge.ledger.prices.ceiling_usd("qwen", 1, 1, NOON) > 0

    asyncio.run(run())


def test_the_second_call_is_paid_for_at_its_own_servers_price(store: Store) -> None:
    async def use(world: AdvisorWorld) -> None:
        hedge, ledger = world.decider.hedge_endpoint, world.decider.ledger
        assert hedge is not None
        free = replace(ledger, prices=PriceTable(None, {}, is_own=True))
        world.decider.hedge_endpoint = replace(hedge, ledger=free)
        await warm_up(world)
        said, _ = await one(world)
        assert isinstance(said, Decided) and len(said.call_ids) == 2
        assert sum(call.cost_usd for call in await world.calls()) == (MIN_SEEN + 1) * CENT

    in_world(store, *["yes"] * MIN_SEEN, "hang", second=("no",), use=use)


def test_where_the_second_call_fails_the_first_still_counts(store: Store) -> None:
    async def use(world: AdvisorWorld) -> None:
        await warm_up(world)
        said, seconds = await one(world)
        assert isinstance(said, Decided) and seconds == pytest.approx(0.4, abs=0.01)

    in_world(store, *["yes"] * MIN_SEEN, "laggard", second=("500",), use=use)


def test_second_calls_stay_within_their_share(store: Store) -> None:
    async def use(world: AdvisorWorld) -> None:
        await warm_up(world)
        for n in range(12):
            await world.ask(now() + 0.8, n)
        assert len(world.server.requests) == MIN_SEEN + 12 + 1

    in_world(store, *["yes"] * MIN_SEEN, "laggard", use=use, breaker_share=1.0)


def test_the_probe_of_a_half_open_breaker_is_not_hedged(store: Store) -> None:
    async def use(world: AdvisorWorld) -> None:
        await warm_up(world)
        world.decider.breaker.hold(now(), 1)
        await asyncio.sleep(1)
        assert await world.ask(now() + 0.8) == "timeout"
        assert len(world.server.requests) == MIN_SEEN + 1

    in_world(store, *["yes"] * MIN_SEEN, "hang", use=use)


def test_a_connection_is_kept_warm_while_nobody_asks(store: Store) -> None:
    async def use(world: AdvisorWorld) -> None:
        warming = asyncio.create_task(world.decider.keep_warm())
        await asyncio.sleep(76)
        warming.cancel()
        assert world.server.n_pings == 4
        before = world.server.n_connections
        await one(world)
        assert world.server.n_connections == before

    in_world(store, "yes", use=use)


def test_an_unknown_model_is_reserved_at_the_dearest_known_price(store: Store) -> None:
    async def use(world: AdvisorWorld) -> None:
        world.decider.endpoint = type(world.decider.endpoint)(world.decider.endpoint.transport, "brand-new")
        await one(world)
        [call] = await world.calls()
        prices = world.decider.ledger.prices
        assert call.reserved_usd >= prices.ceiling_usd("deepseek-v4-pro", 4_000, 1, call.started_at) > 0

    in_world(store, "yes", use=use)

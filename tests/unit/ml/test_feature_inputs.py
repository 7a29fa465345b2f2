"""No model speaks whose columns would be of other inputs than in its training."""

from dataclasses import replace

import pytest

from core.errors import Refused
from ml.features.inputs import ALONE, SERVED_FAMILIES, families_of, require_inputs, servable_columns
from ml.features.registry import load_registry
from tests.serving_world import a_card

REGISTRY = load_registry()
BOTH = ("BTCUSDT", "ETHUSDT")
ALONE_COLUMN, MARKET, LEADER = "return_1_bar", "market_return", "btc_close"


def column_of(name: str) -> str:
    """A column that needs this input, and no other beside candles."""
    return next(
        each.name
        for each in REGISTRY.features
        if name in each.inputs and len(families_of(REGISTRY, [each.name])) <= 2
        and not {"btc_close", "eth_close", "market_return"} & set(each.inputs) - {name}
    )  # fmt: skip


def admit(columns: tuple[str, ...], trained: tuple[str, ...], served: tuple[str, ...], **more: frozenset[str]) -> None:
    require_inputs(REGISTRY, replace(a_card(), features=columns, symbols=trained), served, **more)


def test_families_are_those_of_the_columns_in_the_registrys_order() -> None:
    assert families_of(REGISTRY, ["funding_rate_bps", "return_1_bar"]) == ("candle", "funding")
    assert families_of(REGISTRY, ["a_column_of_before"]) == ()
    assert families_of(REGISTRY, REGISTRY.names) == ("time", "candle", "peers", "funding", "world", "book")


def test_training_uses_what_serving_has_and_nothing_else() -> None:
    columns = servable_columns(REGISTRY)
    assert set(families_of(REGISTRY, columns)) == SERVED_FAMILIES
    left_out = set(REGISTRY.names) - set(columns)
    assert left_out and all(set(families_of(REGISTRY, [name])) - SERVED_FAMILIES for name in left_out)


@pytest.mark.parametrize("name", ["funding_rate", "vix", "bid"])
def test_a_column_of_inputs_that_nobody_has_here_is_refused_by_name(name: str) -> None:
    column = column_of(name)
    with pytest.raises(Refused, match=f"reads {column}, and its input '{name}' .* is not known"):
        admit((ALONE_COLUMN, column), BOTH, BOTH)


@pytest.mark.parametrize(
    ("trained", "served", "why"),
    [
        (BOTH, ("BTCUSDT",), "of BTCUSDT, ETHUSDT in training and would be of BTCUSDT here"),
        (BOTH, (*BOTH, "SOLUSDT"), "would be of BTCUSDT, ETHUSDT, SOLUSDT here"),
        (("BTCUSDT", "SOLUSDT"), BOTH, "of BTCUSDT, SOLUSDT in training"),
    ],
)
def test_the_mean_of_the_market_is_that_of_the_same_symbols(
    trained: tuple[str, ...], served: tuple[str, ...], why: str
) -> None:
    with pytest.raises(Refused, match=why):
        admit((column_of(MARKET),), trained, served)
    admit((ALONE_COLUMN,), trained, served)


def test_the_leading_coin_is_the_same_one_whatever_else_is_served() -> None:
    column = column_of(LEADER)
    admit((column,), BOTH, (*BOTH, "SOLUSDT"))
    admit((column,), BOTH[::-1], BOTH)
    for served in (("ETHUSDT", "SOLUSDT"), ("BTCUSDC", "ETHUSDT"), (*BOTH, "BTCUSDC")):
        with pytest.raises(Refused, match="'btc_close' was made of BTCUSDT in training"):
            admit((column,), BOTH, served)


def test_posted_bars_of_one_symbol_have_no_peers() -> None:
    with pytest.raises(Refused, match=r"'market_return' \(peers\) is not known"):
        admit((column_of(MARKET),), BOTH, BOTH, families=ALONE)
    admit((ALONE_COLUMN,), BOTH, (), families=ALONE)


def test_columns_of_another_registry_are_left_to_who_opens_the_model() -> None:
    admit(("f0", "f1"), BOTH, ("BTCUSDT",))

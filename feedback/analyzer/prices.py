"""What a call costs: the bundled price table by hour, a local file over it, the dearest of all for an unknown one.

Only one's own machine is free: a server at a loopback or private address, of a kind that sells nothing.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import SettingsError
from core.model.canonical import sha256_of

if TYPE_CHECKING:
    from genai_prices.types import ConditionalPrice
    from genai_prices.types import ModelPrice as ListedPrice

_MILLION = Decimal(1_000_000)
_OWN_NAMES = (".local", ".internal")
Rate = Annotated[Decimal, Field(ge=0)]


class ModelPrice(BaseModel):
    """USD per million tokens, as a prices file states them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    input_mtok: Rate
    cached_mtok: Rate
    output_mtok: Rate


class PriceFile(BaseModel):
    """The shape of a prices file: `models: {<name>: {input_mtok: …, cached_mtok: …, output_mtok: …}}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    models: dict[str, ModelPrice]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one call; cached ones are part of the input."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices of one provider's models at one server. `provider` None means that no price table lists its models."""

    provider: str | None
    overrides: dict[str, ModelPrice]
    is_own: bool = False
    """The server is one's own machine: free unless the file says otherwise."""

    def served_at(self, base_url: str) -> "PriceTable":
        """Return the prices of the same models at this address."""
        return replace(self, is_own=self.provider is None and is_own_machine(base_url))

    def cost_usd(self, model: str, tokens: Tokens, at: datetime) -> Decimal:
        """Return the USD of a call that started at `at`."""
        known = self._known_usd(model, tokens, at)
        return self._dearest(tokens) if known is None else known

    def ceiling_usd(self, model: str, input_tokens: int, output_tokens: int, at: datetime) -> Decimal:
        """Return the most that the call can cost at any hour of that day, nothing cached."""
        tokens = Tokens(input_tokens, 0, output_tokens)
        midnight = datetime.combine(at.astimezone(UTC).date(), time(0), UTC)
        hours = [midnight + timedelta(hours=hour) for hour in range(24)]
        return max(self.cost_usd(model, tokens, hour) for hour in hours)

    def _known_usd(self, model: str, tokens: Tokens, at: datetime) -> Decimal | None:
        """Return what is known of the model's price: from the file, of one's own machine, from the table; or None."""
        own = self.overrides.get(model)
        if own is not None:
            return _priced(own, tokens)
        if self.is_own:
            return Decimal(0)
        return None if self.provider is None else _listed(self.provider, model, tokens, at)

    def _dearest(self, tokens: Tokens) -> Decimal:
        """Return the price at the dearest rates of all providers and of the file: an unknown name must not look
        cheap."""
        return max(_priced(price, tokens) for price in (dearest_listed(), *self.overrides.values()))

    def fingerprint(self, model: str, at: datetime) -> str:
        """Return a hash of what a million tokens of each kind cost at each hour of a day: another one, other prices."""
        million = 1_000_000
        kinds = (Tokens(million, 0, 0), Tokens(million, million, 0), Tokens(0, 0, million))
        midnight = datetime.combine(at.astimezone(UTC).date(), time(0), UTC)
        hours = [midnight + timedelta(hours=hour) for hour in range(24)]
        rates = [sorted(self.cost_usd(model, kind, hour) for hour in hours) for kind in kinds]
        return sha256_of([[min(of_kind), max(of_kind)] for of_kind in rates])


def load_prices(provider: str | None, path: Path | None, base_url: str) -> PriceTable:
    """Return the table for `provider` at this server, with the file's prices over it.

    Raises SettingsError naming file and reason.
    """
    if path is None:
        return PriceTable(provider, {}).served_at(base_url)
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        return PriceTable(provider, PriceFile.model_validate(tree).models).served_at(base_url)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(
            f"the prices file {path} cannot be used: {reason}",
            "It holds 'models: {<name>: {input_mtok, cached_mtok, output_mtok}}' in USD per million tokens",
        ) from None


def is_own_machine(base_url: str) -> bool:
    """Return whether the address is a loopback or private one, or a name that only one's own network knows."""
    try:
        host = (urlsplit(base_url).hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(_OWN_NAMES)
    return address.is_loopback or (address.is_private and not address.is_unspecified)


@cache
def dearest_listed() -> ModelPrice:
    """Return the highest rate of each kind in the bundled table, over all providers, models and hours."""
    from genai_prices import Usage, data_snapshot

    million = 1_000_000
    kinds = (
        Usage(input_tokens=million),
        Usage(input_tokens=million, cache_read_tokens=million),
        # A long prompt makes some models' output dearer.
        Usage(input_tokens=million, output_tokens=million),
    )
    providers = data_snapshot.get_snapshot().providers
    prices = [price for provider in providers for model in provider.models for price in _prices_of(model.prices)]
    found = [tuple(price.calc_price(kind)["total_price"] for kind in kinds) for price in prices]
    return ModelPrice(
        input_mtok=max(fresh for fresh, _, _ in found),
        cached_mtok=max(cached for _, cached, _ in found),
        output_mtok=max(both - fresh for fresh, _, both in found),
    )


def _prices_of(listed: "ListedPrice | list[ConditionalPrice]") -> "Iterator[ListedPrice]":
    """Yield every price of a model, of whatever hour or season."""
    if isinstance(listed, list):
        yield from (each.prices for each in listed)
    else:
        yield listed


def _priced(price: ModelPrice, tokens: Tokens) -> Decimal:
    fresh = tokens.input_tokens - tokens.cached_tokens
    total = fresh * price.input_mtok + tokens.cached_tokens * price.cached_mtok
    return (total + tokens.output_tokens * price.output_mtok) / _MILLION


def _listed(provider: str, model: str, tokens: Tokens, at: datetime) -> Decimal | None:
    """Return the bundled table's price, or None where it does not know the model."""
    # Loaded here: a service without a key never needs it.
    import genai_prices

    usage = genai_prices.Usage(
        input_tokens=tokens.input_tokens,
        cache_read_tokens=tokens.cached_tokens,
        output_tokens=tokens.output_tokens,
    )
    try:
        found = genai_prices.calc_price(usage, model, provider_id=provider, genai_request_timestamp=at)
    except (LookupError, ValueError):
        return None
    return found.total_price

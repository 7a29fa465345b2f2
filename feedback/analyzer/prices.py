"""What a call costs: the bundled price table by hour, a local file over it, the dearest model for an unknown one."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import SettingsError
from core.model.canonical import sha256_of

_MILLION = Decimal(1_000_000)
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
    """Prices of one provider's models. `provider` None means one's own machine: free unless the file says otherwise."""

    provider: str | None
    overrides: dict[str, ModelPrice]

    def cost_usd(self, model: str, tokens: Tokens, at: datetime) -> Decimal:
        """Return the USD of a call that started at `at`."""
        own = self.overrides.get(model)
        if own is not None:
            fresh = tokens.input_tokens - tokens.cached_tokens
            total = fresh * own.input_mtok + tokens.cached_tokens * own.cached_mtok
            return (total + tokens.output_tokens * own.output_mtok) / _MILLION
        if self.provider is None:
            return Decimal(0)
        price = _listed(self.provider, model, tokens, at)
        return self._dearest(tokens, at) if price is None else price

    def ceiling_usd(self, model: str, input_tokens: int, output_tokens: int, at: datetime) -> Decimal:
        """Return the most that the call can cost at any hour of that day, nothing cached."""
        tokens = Tokens(input_tokens, 0, output_tokens)
        midnight = datetime.combine(at.astimezone(UTC).date(), time(0), UTC)
        hours = [midnight + timedelta(hours=hour) for hour in range(24)]
        if model in self.overrides or self.provider is None or _listed(self.provider, model, tokens, at) is not None:
            return max(self.cost_usd(model, tokens, hour) for hour in hours)
        return self._dearest(tokens, at)

    def _dearest(self, tokens: Tokens, at: datetime) -> Decimal:
        """Return the price at the provider's dearest model and hour: an unknown name must not look cheap."""
        from genai_prices import data_snapshot

        providers = [p for p in data_snapshot.get_snapshot().providers if p.id == self.provider]
        names = {model.id for provider in providers for model in provider.models}
        midnight = datetime.combine(at.astimezone(UTC).date(), time(0), UTC)
        hours = [midnight + timedelta(hours=hour) for hour in range(24)]
        prices = [_listed(self.provider or "", name, tokens, hour) for name in sorted(names) for hour in hours]
        own = [self.cost_usd(name, tokens, at) for name in sorted(self.overrides)]
        return max((price for price in (*prices, *own) if price is not None), default=Decimal(0))

    def fingerprint(self, model: str, at: datetime) -> str:
        """Return a hash of what a million tokens of each kind cost at each hour of a day: another one, other prices."""
        million = 1_000_000
        kinds = (Tokens(million, 0, 0), Tokens(million, million, 0), Tokens(0, 0, million))
        midnight = datetime.combine(at.astimezone(UTC).date(), time(0), UTC)
        hours = [midnight + timedelta(hours=hour) for hour in range(24)]
        rates = [sorted(self.cost_usd(model, kind, hour) for hour in hours) for kind in kinds]
        return sha256_of([[min(of_kind), max(of_kind)] for of_kind in rates])


def load_prices(provider: str | None, path: Path | None) -> PriceTable:
    """Return the table for `provider` with the file's prices over it. Raises SettingsError naming file and reason."""
    if path is None:
        return PriceTable(provider, {})
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        return PriceTable(provider, PriceFile.model_validate(tree).models)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(
            f"the prices file {path} cannot be used: {reason}",
            "It holds 'models: {<name>: {input_mtok, cached_mtok, output_mtok}}' in USD per million tokens",
        ) from None


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

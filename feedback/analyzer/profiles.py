"""What each kind of OpenAI-compatible server takes and refuses. The model's name is configuration, never code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

StructuredMode = Literal["json_schema", "json_object", "plain"]


@dataclass(frozen=True, slots=True)
class ProviderProfile:
    """A server's habits."""

    name: str
    base_url: str
    default_model: str
    """Empty where the server holds whatever its owner loaded: the settings must name it."""
    structured_modes: tuple[StructuredMode, ...]
    """Best first; the next one is tried when the server refuses `response_format`."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"]
    thinking_off_body: Mapping[str, Any]
    """What switches the thinking of a reasoning model off."""
    always_body: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    price_provider: str | None = None
    """Its name in the price table; None for software that anybody can run: free on one's own machine, and elsewhere as
    dear as the dearest."""
    needs_key: bool = True


_NO_THINKING_TEMPLATE = {"chat_template_kwargs": {"enable_thinking": False}}

PROFILES: Mapping[str, ProviderProfile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            # DeepSeek's chat endpoint answers 400 to json_schema, ignores max_completion_tokens, and thinks by default.
            ProviderProfile(
                "deepseek",
                "https://api.deepseek.com",
                "deepseek-flash",
                ("json_object", "plain"),
                "max_tokens",
                {"thinking": {"type": "disabled"}},
                price_provider="deepseek",
            ),
            ProviderProfile(
                "openai",
                "https://api.openai.com/v1",
                "",
                ("json_schema", "json_object", "plain"),
                "max_completion_tokens",
                {},
                price_provider="openai",
            ),
            ProviderProfile(
                "openrouter",
                "https://openrouter.ai/api/v1",
                "",
                ("json_schema", "json_object", "plain"),
                "max_tokens",
                {"reasoning": {"enabled": False}},
                always_body={"provider": {"require_parameters": True}},
                price_provider="openrouter",
            ),
            ProviderProfile(
                "ollama",
                "http://127.0.0.1:11434/v1",
                "",
                ("json_schema", "json_object", "plain"),
                "max_tokens",
                {"reasoning_effort": "none"},
                needs_key=False,
            ),
            ProviderProfile(
                "vllm",
                "http://127.0.0.1:8000/v1",
                "",
                ("json_schema", "json_object", "plain"),
                "max_tokens",
                _NO_THINKING_TEMPLATE,
                needs_key=False,
            ),
            ProviderProfile(
                "llamacpp",
                "http://127.0.0.1:8080/v1",
                "",
                ("json_schema", "json_object", "plain"),
                "max_tokens",
                _NO_THINKING_TEMPLATE,
                needs_key=False,
            ),
            # LM Studio knows json_schema or text; json_object is a 400 there.
            ProviderProfile(
                "lmstudio",
                "http://127.0.0.1:1234/v1",
                "",
                ("json_schema", "plain"),
                "max_tokens",
                {},
                needs_key=False,
            ),
        )
    }
)

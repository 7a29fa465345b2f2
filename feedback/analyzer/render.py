"""Prompts from versioned templates. The prefix cannot see a day's facts, so it is the same bytes every day."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment
from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import BadInput, Corrupt, UnknownName
from core.model.analysis import RenderedPrompt
from core.model.canonical import canonical_json, sha256_of
from core.model.language import Language
from core.settings_sections import PROJECT_ROOT
from strategies.schema import load_param_specs

PROMPT_DIR = PROJECT_ROOT / "prompts"
_FRONT_MATTER = re.compile(r"\A\{#\n(.*?)\n#\}\n", re.DOTALL)


class FrontMatter(BaseModel):
    """What a template says about itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    version: int
    schema_name: str
    prefix_inputs: tuple[str, ...]
    inputs: tuple[str, ...]
    max_tokens: int
    thinking: bool


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A template file and what it says about itself."""

    path: str
    """Relative to the prompt folder."""
    front: FrontMatter


@cache
def load_template(name: str, folder: Path = PROMPT_DIR) -> PromptTemplate:
    """Return the newest version of the template `name` (such as `daily/analysis`). Raises UnknownName or Corrupt."""
    found = {
        int(m.group(1)): path for path in folder.glob(f"{name}.v*.j2") if (m := re.search(r"\.v(\d+)\.j2$", path.name))
    }
    if not found:
        raise UnknownName(f"no prompt template is named '{name[:60]}' in {folder}")
    version = max(found)
    path = found[version]
    match = _FRONT_MATTER.match(path.read_text(encoding="utf-8"))
    try:
        tree = yaml.safe_load(match.group(1)) if match else None
        if isinstance(tree, dict):
            tree["schema_name"] = tree.pop("schema", None)
        front = FrontMatter.model_validate(tree)
    except (yaml.YAMLError, ValidationError) as error:
        raise Corrupt(f"the front matter of {path} is broken: {str(error).splitlines()[0]}") from None
    if front.version != version or front.id != name.replace("/", "."):
        raise Corrupt(f"{path} calls itself {front.id} version {front.version}", "Name file and front matter alike")
    return PromptTemplate(path.relative_to(folder).as_posix(), front)


def render(name: str, inputs: Mapping[str, str], language: Language, folder: Path = PROMPT_DIR) -> RenderedPrompt:
    """Return the newest template `name` filled with exactly the inputs that it declares. Raises BadInput otherwise."""
    template = load_template(name, folder)
    declared = {*template.front.prefix_inputs, *template.front.inputs}
    if declared != set(inputs):
        raise BadInput(f"the prompt {name} takes {sorted(declared)}, given were {sorted(inputs)}")
    prefix = _render_block(template, "prefix", template.front.prefix_inputs, inputs, language, folder)
    body = _render_block(template, "body", template.front.inputs, inputs, language, folder)
    content = (template.front.id, template.front.version, language, prefix, body)
    return RenderedPrompt(template.front.id, template.front.version, language, prefix, body, sha256_of(content))


def describe_registry(strategies: tuple[str, ...]) -> str:
    """Return one JSON line for each parameter of the strategies: bounds, step, unit, meaning. No current value."""
    lines = []
    for strategy in sorted(strategies):
        for spec in load_param_specs(strategy).values():
            entry = {
                "strategy": strategy,
                "param": spec.name,
                "minimum": spec.minimum,
                "maximum": spec.maximum,
                "step": spec.step,
                "unit": spec.unit,
                "meaning": spec.description,
            }
            lines.append(canonical_json(entry))
    return "\n".join(lines)


def _render_block(
    template: PromptTemplate,
    block: str,
    names: tuple[str, ...],
    inputs: Mapping[str, str],
    language: Language,
    folder: Path,
) -> str:
    environment = _environment(folder)
    try:
        loaded = environment.get_template(template.path)
        context = loaded.new_context({"language": language, **{name: inputs[name] for name in names}})
        return "".join(loaded.blocks[block](context)).strip() + "\n"
    except (TemplateError, KeyError) as error:
        raise Corrupt(f"the prompt template {template.path} cannot be rendered: {error}") from error


@cache
def _environment(folder: Path) -> SandboxedEnvironment:
    # A template is compiled once: an order that waits for advice has no time for it.
    return SandboxedEnvironment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )

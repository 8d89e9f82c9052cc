"""Chat templates: what a trainer makes of a conversation before it is divided into tokens.

A template is Jinja, as in a model's `tokenizer_config.json`. Parts between `{% generation %}` and
`{% endgeneration %}` are what is trained on; in a template without them it is what each answer adds
behind the prompt that a model is given to produce it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.errors import RecipeError, nearest
from assay.exports._bundled import BUNDLED, VOCABULARY_OF

# Noncharacters, which no text holds: around what is trained on, and around the place of a text.
BEGIN, END, SLOT = "\ufdd0", "\ufdd1", "\ufdd2"
# Stands within what looks like a control token in the data, so that it is none.
BREAK = "\ufdd3"


class Refused(Exception):  # noqa: N818 - what the template did
    """The template does not take this conversation; the text says why."""


class Template:
    """A chat template, ready to render.

    Attributes:
        constants: the texts that stand in it, by which it may tell contents apart.
        controls: the control tokens that it writes.
    """

    def __init__(self, source: str, where: str, tokens: Mapping[str, str]) -> None:
        import jinja2
        from jinja2 import nodes

        self._tokens = dict(tokens)
        try:
            self._template = _environment().from_string(source)
            tree = _environment().parse(source)
        except jinja2.TemplateSyntaxError as error:
            raise RecipeError(
                f"The chat template cannot be read: {error.message}.",
                where=f"{where}:{error.lineno}",
            ) from None
        texts = {node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)}
        texts |= {node.data for node in tree.find_all(nodes.TemplateData)}
        self.constants = sorted(texts)
        found = re.findall(r"<\|[^|<>\s]{1,40}\|>", " ".join(self.constants))
        self.controls = frozenset(found) | {token for token in tokens.values() if token}
        self._marks = "endgeneration" in source

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Any] | None = None,
        *,
        prompt: bool = False,
    ) -> str:
        """Render without marks.

        Raises:
            Refused: the template raises an exception of its own.
        """
        return re.sub(f"[{BEGIN}{END}]", "", self._rendered(messages, tools, prompt))

    def marked(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None = None
    ) -> str:
        """Render with `BEGIN` and `END` around what is trained on.

        An assistant's message of weight 0 is not.

        Raises:
            Refused: the template raises an exception of its own.
        """
        answers = [n for n, message in enumerate(messages) if message.get("role") == "assistant"]
        weights = [messages[n].get("weight", 1) for n in answers]
        whole = self._rendered(messages, tools, prompt=False)
        if self._marks:
            pieces = re.split(f"{BEGIN}([^{END}]*){END}", whole)
            for place in range(1, len(pieces), 2):
                if place // 2 >= len(weights) or weights[place // 2]:
                    pieces[place] = BEGIN + pieces[place] + END
            return "".join(pieces)
        spans = [
            self._span(whole, messages, n, tools)
            for n, weight in zip(answers, weights, strict=True)
            if weight
        ]
        for start, stop in sorted(spans, reverse=True):
            whole = whole[:start] + BEGIN + whole[start:stop] + END + whole[stop:]
        return whole

    def _span(
        self, whole: str, messages: Sequence[Mapping[str, Any]], n: int, tools: Sequence[Any] | None
    ) -> tuple[int, int]:
        """What the answer adds behind the prompt for it, up to its last control token."""
        try:
            before = self._rendered(messages[:n], tools, prompt=True)
            after = self._rendered(messages[: n + 1], tools, prompt=False)
        except Refused:
            before = after = BREAK
        start = len(before)
        if not (whole.startswith(before) and after.startswith(before)):
            # Such a template rewrites earlier turns: what is sure is the answer itself.
            content = str(messages[n].get("content") or "").strip()
            start = max(whole.rfind(content), 0)
            after = whole[: start + len(content)] + self._control_at(whole, start + len(content))
        stop = start + next(
            (n for n, pair in enumerate(zip(after[start:], whole[start:], strict=False))
             if pair[0] != pair[1]),
            min(len(after), len(whole)) - start,
        )  # fmt: skip
        ends = [found.end() for found in self._control().finditer(whole, start, stop)]
        if ends and not whole[ends[-1] : stop].strip():
            stop = ends[-1]
        return start, stop

    def _control(self) -> re.Pattern[str]:
        return pattern(self.controls)

    def _control_at(self, whole: str, place: int) -> str:
        found = self._control().match(whole, place)
        return found[0] if found else ""

    def _rendered(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None, prompt: bool
    ) -> str:
        import jinja2

        try:
            given = {"messages": messages, "tools": tools or None, **self._tokens}
            return str(self._template.render(add_generation_prompt=prompt, **given))
        except (jinja2.TemplateError, TypeError, ValueError, AttributeError) as error:
            raise Refused(f"the template refuses it: {error}"[:200]) from None


@functools.lru_cache(maxsize=64)
def pattern(tokens: frozenset[str]) -> re.Pattern[str]:
    """Any of these control tokens; of nothing, where there are none."""
    longest_first = sorted(tokens, key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def load(template: str) -> Template:
    """A template by its name, or from a `tokenizer_config.json` or a file of Jinja.

    Raises:
        RecipeError: there is none of that name, or the file holds none.
    """
    if template in BUNDLED:
        return _bundled(template)
    path = Path(template)
    if path.suffix not in (".json", ".jinja", ".jinja2", ".j2"):
        raise RecipeError(
            f"There is no chat template {template!r}.",
            allowed=[*BUNDLED, "the path of a tokenizer_config.json or a chat_template.jinja"],
            hint=nearest(template, BUNDLED),
        )
    try:
        text = path.read_text(encoding="utf-8")
        beside = path.with_name("tokenizer_config.json")
        told = path if path.suffix == ".json" else beside if beside.is_file() else None
        config = json.loads(told.read_text(encoding="utf-8")) if told else {}
    except (OSError, ValueError) as error:
        raise RecipeError(f"The chat template cannot be read: {error}.", where=template) from None
    source: Any = config.get("chat_template") if path.suffix == ".json" else text
    if isinstance(source, list):
        named = {one.get("name"): one.get("template") for one in source}
        source = named.get("default", next(iter(named.values()), None))
    if not isinstance(source, str):
        raise RecipeError(
            "The file holds no `chat_template`.",
            where=template,
            hint="newer models keep it in a file chat_template.jinja beside it",
        )
    tokens = {name: _token(config.get(name)) for name in ("bos_token", "eos_token", "unk_token")}
    return Template(source, template, {name: token for name, token in tokens.items() if token})


def vocabulary_of(template: str) -> str | None:
    """The vocabulary that belongs to a template: by its name, or the file beside it."""
    beside = Path(template).with_name("tokenizer.json")
    return VOCABULARY_OF.get(template) or (str(beside) if beside.is_file() else None)


@functools.lru_cache(maxsize=8)
def _bundled(name: str) -> Template:
    return Template(BUNDLED[name], name, {})


def _token(value: Any) -> str:
    return str(value.get("content", "")) if isinstance(value, dict) else str(value or "")


@functools.lru_cache(maxsize=1)
def _environment() -> Any:
    """Jinja as the models' own libraries set it up, without anything that depends on the day."""
    import datetime

    from jinja2 import nodes
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012 - so declared by Jinja

        def parse(self, parser: Any) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            call = self.call_method("_mark")
            return nodes.CallBlock(call, [], [], body).set_lineno(line)

        def _mark(self, caller: Any) -> str:
            return f"{BEGIN}{caller()}{END}"

    def refuse(message: str) -> None:
        raise TemplateError(message)

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Generation]
    )
    made.filters["tojson"] = lambda value, **given: json.dumps(value, ensure_ascii=False, **given)
    made.globals["raise_exception"] = refuse
    made.globals["strftime_now"] = datetime.date(2024, 7, 26).strftime
    return made

"""What trainers ask of a file, and what they take for training, as they document it.

Rules of a row are checked on every row; a row that breaks one is left out with the reason. Rules of
a file are checked when it is whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from assay.errors import RecipeError, nearest

Target = Literal["openai", "trl", "axolotl", "together", "fireworks"]


@dataclass(frozen=True)
class Rules:
    """What one trainer asks for.

    Attributes:
        roles: the roles that messages may have.
        at_least: examples to train on.
        at_most: examples in a file.
        window: tokens of one example, where every model of the trainer has the same.
        system_first: a system message stands first or nowhere.
        alternating: user and assistant take turns, and the user begins.
        answer_last: the last message is the assistant's.
        answered_calls: a tool's message answers a call that stands before it.
        keys: what a message may hold; None for anything.
        arguments: calls have their arguments as JSON text (else as an object).
        template: the chat template that counts, unless another is named.
    """

    roles: frozenset[str]
    at_least: int = 1
    at_most: int | None = None
    window: int | None = None
    system_first: bool = False
    alternating: bool = False
    answer_last: bool = False
    answered_calls: bool = False
    keys: frozenset[str] | None = None
    arguments: bool = False
    template: str = "chatml"


_ROLES = frozenset({"system", "user", "assistant", "tool"})
RULES = {
    "openai": Rules(
        roles=_ROLES | {"developer"},
        at_least=10,
        window=65_536,
        answer_last=True,
        answered_calls=True,
        keys=frozenset({"role", "content", "name", "weight", "tool_calls", "tool_call_id"}),
        arguments=True,
        template="openai",
    ),
    "together": Rules(
        roles=_ROLES, system_first=True, alternating=True, arguments=True, template="llama3"
    ),
    "fireworks": Rules(
        roles=_ROLES,
        at_least=3,
        at_most=3_000_000,
        system_first=True,
        arguments=True,
        template="llama3",
    ),
    "axolotl": Rules(roles=_ROLES),
    "trl": Rules(roles=_ROLES),
}
_NONE = Rules(roles=_ROLES | {"developer", "function"})

PRICES: dict[str, dict[str, Any]] = {
    "openai": {
        "as_of": "2025-06-30",
        "source": "openai.com/api/pricing",
        "per_million": {
            "gpt-4.1-2025-04-14": 25.0,
            "gpt-4.1-mini-2025-04-14": 5.0,
            "gpt-4.1-nano-2025-04-14": 1.5,
            "gpt-4o-2024-08-06": 25.0,
            "gpt-4o-mini-2024-07-18": 3.0,
            "gpt-3.5-turbo": 8.0,
        },
    },
    "together": {
        "as_of": "2025-06-30",
        "source": "together.ai/pricing",
        "per_million": {
            "lora up to 16B": 0.48,
            "lora up to 69B": 1.5,
            "lora up to 100B": 2.9,
            "full up to 16B": 0.54,
            "full up to 69B": 1.65,
            "full up to 100B": 3.2,
        },
    },
    "fireworks": {
        "as_of": "2025-06-30",
        "source": "fireworks.ai/pricing",
        "per_million": {"up to 16B": 0.5, "up to 80B": 3.0, "up to 300B": 6.0},
    },
}
"""US dollars for a million training tokens. Prices change: `price_per_million` replaces them."""


def price(
    export: str, target: str | None, model: str | None, per_million: float | None, epochs: int
) -> dict[str, Any] | None:
    """What a provider takes for training.

    Raises:
        RecipeError: a model without a known price, or a number that makes no sense.
    """
    if epochs < 1 or (per_million is not None and per_million < 0):
        raise RecipeError(
            f"{export}: `epochs` is 1 or more and `price_per_million` not below 0.",
            received={"epochs": epochs, "price_per_million": per_million},
        )
    table = PRICES.get(target or "", {"per_million": {}})
    known: Mapping[str, float] = table["per_million"]
    named = {"epochs": epochs, "currency": "USD"} | ({"model": model} if model else {})
    if per_million is not None:
        return named | {"per_million": per_million, "source": "price_per_million"}
    if model is None:
        return None
    if model not in known:
        raise RecipeError(
            f"{export}: there is no price for {model!r}"
            + (f" at {target}." if target else "; a `target` is needed."),
            allowed=known or None,
            hint=nearest(model, known) or "give `price_per_million`",
        )
    dated = {"as_of": table["as_of"], "source": table["source"]}
    return named | {"per_million": known[model]} | dated


def read_messages(
    value: Any, target: str | None, system: str | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """Read one conversation and hold it against the rules of a target.

    Args:
        value: JSON text, or a list of messages; `from` and `value` are taken for `role` and
            `content`, and `human` and `gpt` for `user` and `assistant`.
        target: the trainer, or None.
        system: a system message for a conversation that does not begin with its own.

    Returns:
        The messages, and why the conversation is left out or None.
    """
    try:
        found = orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return [], "the messages are not JSON"
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return [], "the messages are not a list of objects"
    rules = RULES.get(target or "", _NONE)
    messages = [_message(one, rules) for one in found]
    if system is not None and messages and messages[0]["role"] not in ("system", "developer"):
        messages.insert(0, {"role": "system", "content": system})
    return messages, _broken(messages, rules)


def read_tools(value: Any) -> tuple[list[Any] | None, str | None]:
    """The tools of a conversation: a list of objects, or its JSON."""
    if value is None:
        return None, None
    try:
        found = orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return None, "the tools are not JSON"
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return None, "the tools are not a list of objects"
    return found or None, None


_NAMES = {"human": "user", "gpt": "assistant", "observation": "tool"}


def _message(given: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    # A list of structs has every key in every message, null where it was not there.
    held = {key: value for key, value in given.items() if value is not None}
    role = held.pop("role", None) or held.pop("from", None)
    content = held.pop("content", None)
    content = held.pop("value", None) if content is None else content
    message = {"role": _NAMES.get(str(role), role), "content": content, **held}
    if isinstance(calls := message.get("tool_calls"), list):
        message["tool_calls"] = [_call(call, rules) for call in calls]
    return message


def _call(call: Any, rules: Rules) -> Any:
    """A call with its arguments in the form that the trainer takes."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return call
    arguments = function.get("arguments", {})
    if rules.arguments and not isinstance(arguments, str):
        arguments = orjson.dumps(arguments).decode()
    elif not rules.arguments and isinstance(arguments, str):
        try:
            arguments = orjson.loads(arguments)
        except orjson.JSONDecodeError:
            return None
    return {**call, "function": {**function, "arguments": arguments}}


def _broken(messages: Sequence[Mapping[str, Any]], rules: Rules) -> str | None:
    """The first rule that a conversation breaks."""
    roles = [message["role"] for message in messages]
    answers = [message for message in messages if message["role"] == "assistant"]
    spoken = [role for role in roles if role in ("user", "assistant")]
    turns = spoken == ["user", "assistant"] * (len(spoken) // 2) + ["user"] * (len(spoken) % 2)
    lacking = [
        message
        for message in messages
        if not (message["content"] is None and message.get("tool_calls"))
        and not isinstance(message["content"], str)
    ]
    calls = [call for message in messages for call in _calls(message)]
    reasons = {
        "there are no messages": not messages,
        "a message has an unknown role": not all(
            isinstance(role, str) and role in rules.roles for role in roles
        ),
        "a message holds an unknown key": rules.keys is not None
        and any(set(message) - rules.keys for message in messages),
        "a message's content is not text": bool(lacking),
        "a tool call cannot be read": not all(_is_call(call, rules) for call in calls),
        "there is no answer": not answers,
        "the answer is not the last message": rules.answer_last
        and roles[-1:] not in (["assistant"], []),
        "no answer is trained on": bool(answers)
        and all(answer.get("weight", 1) == 0 for answer in answers),
        "a weight is neither 0 nor 1": any(
            message.get("weight", 1) not in (0, 1) for message in messages
        ),
        "the system message is not the first": rules.system_first and "system" in roles[1:],
        "user and assistant do not take turns": rules.alternating
        and "tool" not in roles
        and not turns,
        "a tool answers no call": rules.answered_calls and not _answered(messages),
        "empty answer": any(
            not str(answer["content"] or "").strip() and not answer.get("tool_calls")
            for answer in answers
            if answer.get("weight", 1)
        ),
    }
    return next((reason for reason, broken in reasons.items() if broken), None)


def _is_call(call: Any, rules: Rules) -> bool:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return False
    return isinstance(function.get("arguments"), str if rules.arguments else dict)


def _answered(messages: Sequence[Mapping[str, Any]]) -> bool:
    open_: set[str] = set()
    for message in messages:
        if message["role"] == "tool" and str(message.get("tool_call_id")) not in open_:
            return False
        open_ |= {str(call.get("id")) for call in _calls(message) if isinstance(call, dict)}
    return True


def _calls(message: Mapping[str, Any]) -> list[Any]:
    calls = message.get("tool_calls") or []
    return calls if isinstance(calls, list) else [None]

"""Training files: their forms, the rules of their trainers, and what is left out."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import tokens
from assay.errors import RecipeError
from assay.exports.chat import chat, sharegpt
from assay.exports.instructions import alpaca, preference, prompt_completion
from assay.exports.part import EDGES, Exported, Part, Tokens, exported, merge
from assay.exports.whole import check_whole

ROWS = pl.DataFrame(
    {
        "row_id": ["1", "2", "3", "4"],
        "q": ["one", None, "three", "four " * 50],
        "a": ["1", "2", " \n", "4"],
        "b": ["2", "2", "3", "4"],
    }
)
CALL = {"id": "c1", "type": "function", "function": {"name": "price", "arguments": '{"of": "fan"}'}}
ANSWER = st.text('ab\u2028\u202eé😀中\x00"\\', min_size=1)
USER, BOT = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}


def lines(folder, name="train.jsonl"):
    path = folder / name
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def from_messages(conversations, folder, **given):
    texts = [one if isinstance(one, str | None) else json.dumps(one) for one in conversations]
    rows = pl.DataFrame({"row_id": [str(n) for n in range(len(texts))], "m": texts})
    made = chat(Part(rows), folder, messages="m", **given)
    left = folder / "train.left_out.jsonl"
    return made, lines(folder), lines(folder, left.name) if left.exists() else []


# what is written -----------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=9), ANSWER), max_size=5))
def test_every_form_loads_back_to_the_same_texts(tmp_path_factory, pairs):
    rows = pl.DataFrame(pairs, {"q": pl.String, "a": pl.String}, orient="row")
    made = [tmp_path_factory.mktemp("f") for _ in range(4)]
    chat(Part(rows), made[0], prompt="{q}", completion="{a}")
    sharegpt(Part(rows), made[1], prompt="{q}", completion="{a}")
    alpaca(Part(rows), made[2], instruction="Say", input="{q}", output="{a}")
    prompt_completion(Part(rows), made[3], prompt="{q}", completion="{a}")

    kept = [pair for pair in pairs if pair[1].strip()]
    assert [tuple(m["content"] for m in one["messages"]) for one in lines(made[0])] == kept
    assert [tuple(m["value"] for m in one["conversations"]) for one in lines(made[1])] == kept
    assert [(one["input"], one["output"]) for one in lines(made[2])] == kept
    assert [(one["prompt"], one["completion"]) for one in lines(made[3])] == kept


def test_the_library_that_trainers_read_with_reads_them(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()
    chat(Part(ROWS), tmp_path, prompt="{q}", completion="{a}")

    loaded = datasets.Dataset.from_json(
        str(tmp_path / "train.jsonl"), cache_dir=str(tmp_path / "c")
    )

    assert [one["messages"][1]["content"] for one in loaded] == ["1", "4"]


def test_preferences_have_the_form_of_their_trainer(tmp_path):
    forms = {}
    for target in ("openai", "together", "fireworks", "axolotl", "trl", None):
        folder = tmp_path / str(target)
        made = preference(
            Part(ROWS), folder, prompt="{q}", chosen="{a}", rejected="{b}", target=target
        )
        (forms[target],) = lines(folder)
        assert made.left_out == {
            "no value for q": 1, "empty answer": 1, "both answers are the same": 1,
        }  # fmt: skip
    asked = [{"role": "user", "content": "one"}]
    better, worse = ({"role": "assistant", "content": text} for text in "12")
    hosted = {
        "input": {"messages": asked}, "preferred_output": [better], "non_preferred_output": [worse],
    }  # fmt: skip

    assert forms["openai"] == forms["together"] == forms["fireworks"] == hosted
    assert forms["axolotl"] == {"messages": asked, "chosen": better, "rejected": worse}
    assert forms["trl"] == forms[None] == {"prompt": asked, "chosen": [better], "rejected": [worse]}


def test_an_instruction_without_its_input_has_an_empty_one(tmp_path):
    rows = pl.DataFrame({"i": ["x", None]})

    alpaca(Part(rows), tmp_path, instruction="Do.", input="{i}", output="ok")

    assert [one["input"] for one in lines(tmp_path)] == ["x", ""]


def test_completions_may_be_messages(tmp_path):
    prompt_completion(Part(ROWS[:1]), tmp_path, prompt="{q}", completion="{a}", conversational=True)

    assert lines(tmp_path) == [
        {
            "prompt": [{"role": "user", "content": "one"}],
            "completion": [{"role": "assistant", "content": "1"}],
        }
    ]
    with pytest.raises(RecipeError, match="together"):
        prompt_completion(
            Part(ROWS), tmp_path, prompt="p", completion="c", conversational=True, target="together"
        )


@pytest.mark.parametrize("held", ["json", "list"])
def test_conversations_come_from_a_field(tmp_path, held):
    messages = [USER, BOT, {"role": "user", "content": "<b>=1+1</b>"}, BOT]
    value = json.dumps(messages) if held == "json" else messages
    rows = pl.DataFrame({"m": [value, None]})

    made = chat(Part(rows), tmp_path, messages="m", system="S")

    assert lines(tmp_path) == [{"messages": [{"role": "system", "content": "S"}, *messages]}]
    assert made.left_out == {"no value for m": 1}


def test_names_of_sharegpt_are_understood_both_ways(tmp_path):
    given = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes"}]
    _, (chat_line,), _ = from_messages([given], tmp_path / "c")
    rows = pl.DataFrame({"m": [json.dumps([USER, BOT])]})
    sharegpt(Part(rows), tmp_path / "s", messages="m")

    assert chat_line == {"messages": [USER, BOT]}
    assert lines(tmp_path / "s") == [{"conversations": given}]


def test_tools_stand_beside_the_messages_and_are_counted(tmp_path):
    tool = {"type": "function", "function": {"name": "price", "parameters": {}}}
    rows = pl.DataFrame({"q": ["a", "b", "c"], "t": [json.dumps([tool]), None, "x"]})
    fixed = chat(
        Part(rows), tmp_path / "1", prompt="{q}", completion="y", tools=[tool], target="trl"
    )
    bare = chat(Part(rows), tmp_path / "2", prompt="{q}", completion="y", target="trl")
    made = chat(Part(rows), tmp_path / "3", prompt="{q}", completion="y", tools="t", target="trl")

    assert [one.get("tools") for one in lines(tmp_path / "3")] == [[tool], None]
    assert [one["tools"] for one in lines(tmp_path / "1")] == [[tool]] * 3
    assert made.left_out == {"the tools are not JSON": 1}
    total = [one.tokens["train"].total for one in (bare, made, fixed)]
    assert total[0] < total[2] and fixed.tokens["train"].trained == bare.tokens["train"].trained


def test_arguments_of_calls_have_the_form_of_their_trainer(tmp_path):
    answer = {"role": "tool", "tool_call_id": "c1", "content": "$5"}
    messages = [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}, answer, BOT]
    found = {}
    for target in ("openai", "trl"):
        made, (line,), _ = from_messages([messages], tmp_path / target, target=target)
        found[target] = line["messages"][1]["tool_calls"][0]["function"]["arguments"]
        assert made.tokens["train"].trained > 4

    assert found == {"openai": '{"of": "fan"}', "trl": {"of": "fan"}}


# what is left out ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "messages", "reason"),
    [
        (None, "{", "the messages are not JSON"),
        (None, {"role": "user"}, "the messages are not a list of objects"),
        (None, [], "there are no messages"),
        (None, [USER], "there is no answer"),
        (None, [USER, {"role": "assistant", "content": " "}], "empty answer"),
        (None, [USER, {"role": "assistant", "content": [1]}], "a message's content is not text"),
        (None, [{"role": ["x"], "content": "a"}, BOT], "a message has an unknown role"),
        ("trl", [{"role": "developer", "content": "a"}, BOT], "a message has an unknown role"),
        ("openai", [USER, BOT, USER], "the answer is not the last message"),
        ("openai", [USER, BOT | {"id": 1}], "a message holds an unknown key"),
        ("openai", [USER, BOT | {"weight": 0}], "no answer is trained on"),
        ("openai", [USER, BOT | {"weight": 2}], "a weight is neither 0 nor 1"),
        ("openai", [USER, {"role": "tool", "tool_call_id": "c1", "content": "x"}, BOT],
         "a tool answers no call"),
        ("openai", [USER, {"role": "assistant", "tool_calls": [{"id": 1}]}],
         "a tool call cannot be read"),
        ("together", [USER, USER, BOT], "user and assistant do not take turns"),
        ("together", [BOT, USER], "user and assistant do not take turns"),
        ("fireworks", [USER, {"role": "system", "content": "s"}, BOT],
         "the system message is not the first"),
    ],
)  # fmt: skip
def test_a_row_that_breaks_a_rule_is_left_out_with_it(tmp_path, target, messages, reason):
    made, written, left = from_messages([messages, [USER, BOT]], tmp_path, target=target)

    assert written == [{"messages": [USER, BOT]}]
    assert left == [{"row_id": "0", "reason": reason}]
    assert made.left_out == {reason: 1}
    assert made == 1


def test_what_no_rule_of_the_target_forbids_is_written(tmp_path):
    free = [USER, USER, BOT, USER]

    _, written, left = from_messages([free], tmp_path, target="trl")

    assert written == [{"messages": free}]
    assert left == []


def test_answers_that_do_not_fit_into_the_window_are_left_out(tmp_path):
    rows = pl.DataFrame(
        {"row_id": list("abc"), "q": ["q", "q " * 99, "q"], "a": ["a", "a", "a " * 99]}
    )

    made = chat(Part(rows), tmp_path, prompt="{q}", completion="{a}", max_tokens=60)

    assert lines(tmp_path, "train.left_out.jsonl") == [
        {"row_id": "b", "reason": "the prompt fills the window"},
        {"row_id": "c", "reason": "the answer is cut off"},
    ]
    assert made.tokens["train"].longest <= 60
    longest = chat(Part(rows), tmp_path / "2", prompt="{q}", completion="{a}", template="chatml")
    limit = longest.tokens["train"].longest
    # The line break behind the last control token is not learnt and may be cut off.
    for window, kept in ((limit, 3), (limit - 1, 3), (limit - 2, 1)):
        folder = tmp_path / str(window)
        assert chat(Part(rows), folder, prompt="{q}", completion="{a}", max_tokens=window) == kept


def test_the_window_of_openai_is_known(tmp_path):
    rows = pl.DataFrame({"q": ["the " * 66_000, "q"]})

    made = chat(Part(rows), tmp_path, prompt="{q}", completion="a", target="openai")

    assert made.left_out == {"the prompt fills the window": 1}


def test_a_file_that_is_too_small_for_its_trainer_is_refused():
    made = Exported(12, {"empty answer": 4}, {"train": 9, "test": 3})
    with pytest.raises(RecipeError, match="10 examples") as caught:
        check_whole("chat", {"target": "openai"}, made)

    assert "empty answer" in str(caught.value.hint)
    check_whole("chat", {"target": "trl"}, made)
    check_whole("chat", {"target": None}, Exported(0))
    with pytest.raises(RecipeError, match="trl"):
        check_whole("chat", {"target": "trl"}, Exported(3, {}, {"test": 3}))


@pytest.mark.parametrize(
    "given",
    [
        {}, {"prompt": "p"}, {"prompt": "p", "completion": "c", "messages": "q"}, {"messages": "m"},
        {"prompt": "p", "completion": "c", "tools": "tt"},
        {"prompt": "p", "completion": "c", "max_tokens": 0},
        {"prompt": "p", "completion": "c", "epochs": 0},
        {"prompt": "p", "completion": "c", "model": "gpt-4.1-nano-2025-04-14"},
        {"prompt": "p", "completion": "c", "model": "gpt-9", "target": "openai"},
        {"prompt": "p", "completion": "c", "template": "own"},
        {"prompt": "p", "completion": "c", "vocabulary": "own"},
    ],
)  # fmt: skip
def test_parameters_that_contradict_each_other_are_refused(tmp_path, given):
    with pytest.raises(RecipeError):
        chat(Part(ROWS), tmp_path, **given)


# what is counted -----------------------------------------------------------------------------


def test_parts_add_up_to_the_whole(tmp_path):
    given = {"prompt": "{q}", "completion": "{a}", "target": "openai", "epochs": 3}
    rows = pl.concat([ROWS] * 5)
    whole = chat(Part(rows), tmp_path / "whole", **given, model="gpt-4.1-nano-2025-04-14")
    parts = [
        chat(Part(rows[n : n + 7]), tmp_path / "parts", **given, model="gpt-4.1-nano-2025-04-14")
        for n in range(0, 20, 7)
    ]

    assert merge(parts) == whole
    said = whole.plain()
    assert said["rows"] + sum(said["left_out"].values()) == 20
    assert sum(said["tokens"]["histogram"]["counts"]) == said["rows"]
    assert said["cost"]["tokens"] == said["tokens"]["total"]
    assert said["cost"]["as_of"]
    json.dumps(said)


def test_the_cost_is_of_the_training_split_and_the_price_can_be_given(tmp_path):
    rows = pl.DataFrame({"q": ["the " * 10_000] * 12})
    given = {"prompt": "{q}", "completion": "a", "target": "openai"}
    parts = [
        chat(Part(rows, split=split), tmp_path, **given, price_per_million=2.0, epochs=2)
        for split in ("train", "test")
    ]

    cost = merge(parts).plain()["cost"]

    assert cost["amount"] == pytest.approx(2 * 2.0 * parts[0].tokens["train"].total / 1e6, abs=0.01)
    assert "as_of" not in cost


def test_histograms_have_fixed_bins():
    one = Tokens(40, 4, 40, tuple(int(edge == 32) for edge in EDGES))

    assert one.plus(one).plain()["histogram"] == {"edges": [32, 45], "counts": [2]}
    assert Tokens().plain()["histogram"]["counts"] == [0]
    assert list(EDGES) == sorted(set(EDGES))
    assert exported(3, "test").splits == {"test": 3}


def test_five_megabytes_and_no_rows(tmp_path):
    rows = pl.DataFrame({"q": ["مرحبا 你好 😀 " * 150_000]})
    made = chat(Part(rows), tmp_path, prompt="{q}", completion="{q}", target="trl")

    # The text and the token that ends it.
    assert made.tokens["train"].trained == tokens.count(rows["q"], "qwen3").item() + 1
    assert lines(tmp_path)[0]["messages"][0]["content"] == rows["q"].item()
    for name, function, parameters in (
        ("c", chat, {"prompt": "{q}", "completion": "{q}", "target": "trl"}),
        ("m", chat, {"messages": "q", "target": "openai"}),
        ("p", preference, {"prompt": "a", "chosen": "{q}", "rejected": "b", "target": "openai"}),
    ):
        assert function(Part(rows.clear()), tmp_path / name, **parameters) == 0


def test_real_products_for_every_trainer(tmp_path, shared_data):
    rows = pl.read_ndjson(shared_data("prices/products.jsonl"), infer_schema_length=None)
    rows = rows.head(500).with_row_index("row_id")
    for target in ("openai", "trl", "axolotl", "together", "fireworks"):
        made = chat(
            Part(rows),
            tmp_path / target,
            prompt="How much does this cost?\n\n{text}",
            completion="${price:.2f}",
            target=target,
            max_tokens=300,
        )
        check_whole("chat", {"target": target}, made)
        left = lines(tmp_path / target, "train.left_out.jsonl")
        assert len(lines(tmp_path / target)) + len(left) == rows.height
        assert made.tokens["train"].longest <= 301

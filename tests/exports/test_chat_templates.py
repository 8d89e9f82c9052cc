"""Rendering conversations and counting what is trained on."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assay import tokens
from assay.errors import RecipeError
from assay.exports import _counting as counting
from assay.exports import _templates as templates

TEXT = st.text(max_size=30) | st.text("ab \n<|im_end|>\u00a0{}'\"é中😀", max_size=30)
USER, ANSWER = {"role": "user", "content": None}, {"role": "assistant", "content": None}
PLAIN = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def shown(template, messages, tools=None):
    marked = template.marked(messages, tools)
    return marked.replace(templates.BEGIN, "«").replace(templates.END, "»")


def turns(*texts):
    roles = ("user", "assistant") * len(texts)
    return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]


def measured(shape, texts, template, vocabulary, monkeypatch, few):
    monkeypatch.setattr(counting, "_FEW", few)
    frame = pl.DataFrame(texts, schema=[str(n) for n in range(len(texts[0]))], orient="row")
    group = counting.Group(np.arange(len(texts)), shape, None, frame)
    return counting.measure([group], template, vocabulary, len(texts))


# The forms that the makers of these models publish.
PUBLISHED = {
    "chatml": "<|im_start|>user\n Hi <|im_end|>\n<|im_start|>assistant\n«Yes<|im_end|>»\n",
    "qwen3": (
        "<|im_start|>user\n Hi <|im_end|>\n<|im_start|>assistant\n"
        "«<think>\n\n</think>\n\nYes<|im_end|>»\n"
    ),
    "llama3": (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n«Yes<|eot_id|>»"
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_bundled_templates_write_the_published_forms(name):
    assert shown(templates.load(name), turns(" Hi ", "Yes")) == PUBLISHED[name]


@pytest.mark.parametrize("answers", [1, 3])
def test_openai_s_tokens_are_those_of_its_cookbook(answers, monkeypatch):
    """OpenAI Cookbook, "Data preparation and analysis for chat model fine-tuning": three for each
    message, those of its role and content, and three for the example."""
    messages = [{"role": "system", "content": "Be brief."}, *turns(*["How much?", "$5"] * answers)]
    expected = 3 + sum(
        3 + int(tokens.count(pl.Series(list(one.values())), "o200k").sum()) for one in messages
    )
    shape = [{**one, "content": None} for one in messages]

    found = measured(
        shape,
        [[m["content"] for m in messages]],
        templates.load("openai"),
        "o200k",
        monkeypatch,
        99,
    )

    assert found["total"].item() == expected


def test_without_marks_an_answer_is_what_follows_its_prompt():
    template = templates.Template(PLAIN, "own", {})

    assert shown(template, turns("a", "b", "c", "d")) == (
        "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n«b<|im_end|>»\n"
        "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n«d<|im_end|>»\n"
    )


def test_a_template_that_rewrites_earlier_turns_still_shows_the_last_answer():
    source = (
        "{% for m in messages %}<|{{ m.role }}|>"
        "{{ m.content if loop.last else m.content | upper }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    text = shown(templates.Template(source, "own", {}), turns("a", "b", "c", "dd"))

    assert text.endswith("<|assistant|>«dd<|end|>»") or "«dd»" in text


def test_answers_of_weight_0_are_not_trained_on():
    messages = turns("a", "b", "c", "d")
    messages[1]["weight"] = 0

    for template in (templates.load("chatml"), templates.Template(PLAIN, "own", {})):
        text = shown(template, messages)
        assert text.count("«") == 1
        assert "«d<|im_end|>»" in text


@pytest.mark.parametrize("name", ["chatml", "llama3", "openai", "own"])
@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
@example(texts=[(" <|im_end|> ", "\n\n x\n")])
def test_one_rendering_for_all_counts_as_one_for_each(name, texts):
    own = templates.Template(PLAIN, "own", {})
    template = own if name == "own" else templates.load(name)
    with pytest.MonkeyPatch.context() as patch:
        at_once = measured([USER, ANSWER], texts, template, "qwen3", patch, 1)
        alone = measured([USER, ANSWER], texts, template, "qwen3", patch, 10**9)

    assert at_once.equals(alone)


@pytest.mark.parametrize(("name", "strip"), [("chatml", False), ("llama3", True)])
@settings(max_examples=40, deadline=None)
@given(prompt=TEXT, answer=TEXT)
def test_trained_tokens_are_those_of_the_answer_and_its_end(name, strip, prompt, answer):
    text = answer.strip() if strip else answer
    with pytest.MonkeyPatch.context() as patch:
        found = measured(
            [USER, ANSWER], [(prompt, answer)], templates.load(name), "llama3", patch, 1
        )

    assert found["trained"].item() == tokens.count(pl.Series([text]), "llama3").item() + 1
    assert found["first"].item() + found["trained"].item() == found["end"].item()


def test_templates_that_look_into_texts_are_rendered_for_each_row(monkeypatch):
    source = PLAIN.replace("{{ m.content }}", "{{ m.content.split('</think>')[-1] }}")
    template = templates.Template(source, "own", {})
    texts = [("a", "long thoughts</think>b"), ("a", "b")]

    found = measured([USER, ANSWER], texts, template, "qwen3", monkeypatch, 1)

    assert found["total"].n_unique() == 1


def test_control_tokens_in_texts_are_not_counted_as_such(monkeypatch):
    texts = [("<|im_end|>", "<|im_start|>")]
    for few in (1, 99):
        found = measured([USER, ANSWER], texts, templates.load("chatml"), "qwen3", monkeypatch, few)
        assert (
            found["trained"].item() == tokens.count(pl.Series(["<|im_start|>"]), "qwen3").item() + 1
        )


def test_counts_are_those_of_the_library_on_the_whole_rendered_text(tmp_path, monkeypatch):
    """With a model's own files: `tokenizer_config.json` with its template, and the vocabulary."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers

    library = Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    library.train_from_iterator(["user assistant how much does it cost " * 9], trainer)
    library.add_special_tokens([AddedToken("<|im_start|>"), AddedToken("<|im_end|>")])
    library.save(str(tmp_path / "tokenizer.json"))
    config = tmp_path / "tokenizer_config.json"
    config.write_text(json.dumps({"chat_template": [{"name": "default", "template": PLAIN}]}))
    template, vocabulary = templates.load(str(config)), templates.vocabulary_of(str(config))
    texts = [("how much?", "it does cost"), ("", " user "), ("é中😀", "x")]

    for few in (1, 99):
        found = measured([USER, ANSWER], texts, template, vocabulary, monkeypatch, few)
        for row, (asked, said) in zip(found["total"], texts, strict=True):
            rendered = template.render(turns(asked, said))
            assert row == len(library.encode(rendered, add_special_tokens=False))


def test_a_template_may_refuse_a_conversation(monkeypatch):
    source = "{% if messages[0].content == 'bad' %}{{ raise_exception('no') }}{% endif %}" + PLAIN
    template = templates.Template(source, "own", {})

    found = measured([USER, ANSWER], [("bad", "b"), ("a", "b")], template, "qwen3", monkeypatch, 1)

    assert found["why"].to_list() == ["the template refuses it: no", None]


@pytest.mark.parametrize(
    "source", ["{{ ''.__class__.__mro__ }}", "{{ messages.append(1) }}", "{{ 1 + 'a' }}"]
)
def test_templates_cannot_reach_out(source):
    with pytest.raises(templates.Refused):
        templates.Template(source, "own", {}).marked(turns("a", "b"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("chatlm", None),
        ("no.json", None),
        ("a.json", "{}"),
        ("b.json", "["),
        ("c.jinja", "{% if %}"),
    ],
)
def test_templates_that_are_not_there_are_refused(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)

    with pytest.raises(RecipeError, match="template"):
        templates.load(name if "." not in name else str(path))

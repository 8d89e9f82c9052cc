"""The chat templates that assay brings along, written for it after the public formats.

With tools, what a model's own template says about them differs in words: name the model's file to
count those tokens exactly.
"""

from __future__ import annotations

_CHATML = """\
{% if tools %}
{% set told = messages and messages[0].role == 'system' %}
{{- '<|im_start|>system' + after }}
{%- if told %}{{ messages[0].content + '\\n\\n' }}{% endif %}
{{- '# Tools\\n<tools>' }}
{%- for tool in tools %}{{ '\\n' + tool | tojson }}{% endfor %}
{{- '\\n</tools>\\nCall one as <tool_call>{"name": …, "arguments": …}</tool_call>.' }}
{{- '<|im_end|>' + between }}
{%- endif %}
{%- for message in messages %}
{%- if not (tools and told and loop.first) %}
{{- '<|im_start|>' + message.role + after }}
{%- if message.role == 'assistant' %}
{%- generation %}
{{- thought if loop.last else '' }}{{ message.content or '' }}
{%- for call in message.tool_calls or [] %}
{{- '\\n<tool_call>\\n' }}
{{- {'name': call.function.name, 'arguments': call.function.arguments} | tojson }}
{{- '\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>' }}
{%- endgeneration %}
{%- else %}
{{- message.content + '<|im_end|>' }}
{%- endif %}
{{- between }}
{%- endif %}
{%- endfor %}
"""
_PROMPT = "{%- if add_generation_prompt %}{{ '<|im_start|>assistant' + after }}{% endif %}"

_LLAMA3 = """\
{{- '<|begin_of_text|>' }}
{%- if tools %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n# Tools' }}
{%- for tool in tools %}{{ '\\n\\n' + tool | tojson }}{% endfor %}
{{- '<|eot_id|>' }}
{%- endif %}
{%- for message in messages %}
{{- '<|start_header_id|>' + ('ipython' if message.role == 'tool' else message.role) }}
{{- '<|end_header_id|>\\n\\n' }}
{%- if message.role == 'assistant' %}
{%- generation %}
{{- (message.content or '') | trim }}
{%- for call in message.tool_calls or [] %}
{{- {'name': call.function.name, 'parameters': call.function.arguments} | tojson }}
{%- endfor %}
{{- '<|eot_id|>' }}
{%- endgeneration %}
{%- else %}
{{- message.content | trim + '<|eot_id|>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""


def _set(after: str, between: str, thought: str = "") -> str:
    return f"{{%- set after, between, thought = {after!r}, {between!r}, {thought!r} %}}\n"


BUNDLED = {
    "chatml": _set("\n", "\n") + _CHATML + _PROMPT,
    # The last answer begins with the empty thought that Qwen 3 writes when it is told not to think.
    "qwen3": _set("\n", "\n", "<think>\n\n</think>\n\n") + _CHATML + _PROMPT,
    "llama3": _LLAMA3,
    # Three control tokens and the role for every message, and three more at the end: the sum that
    # OpenAI's cookbook counts.
    "openai": _set("<|im_sep|>", "") + _CHATML + "{{- '<|im_start|>assistant<|im_sep|>' }}",
}

VOCABULARY_OF = {"openai": "o200k", "chatml": "qwen3", "qwen3": "qwen3", "llama3": "llama3"}

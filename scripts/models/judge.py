"""Judges a wire by its maker's own client.

    judge.py requests anthropic|openai         one request a line on standard input: each must fit the client's types, key by key
    judge.py reply anthropic|openai ADDRESS    what the client makes of what a server at ADDRESS streams, as one JSON document
"""

import json
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence

from typing_extensions import NotRequired, Required, get_type_hints, is_typeddict


def problems(value, hint, path):
    """What is wrong with `value` as a `hint`; stricter than the types: a key that a type does not know is wrong too."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Required, NotRequired, typing.Annotated):
        return problems(value, inner[0], path)
    if is_typeddict(hint):
        if not isinstance(value, dict):
            return [f"{path}: not an object"]
        hints = get_type_hints(hint, include_extras=True)
        found = [f"{path}: `{key}` is unknown to {hint.__name__}" for key in value if key not in hints]
        found += [f"{path}: `{key}` is missing" for key in hint.__required_keys__ if key not in value]
        return found + [p for key in value if key in hints for p in problems(value[key], hints[key], f"{path}.{key}")]
    if origin in (typing.Union, types.UnionType):
        return min((problems(value, one, path) for one in inner), key=len)
    if origin is typing.Literal:
        return [] if value in inner else [f"{path}: {value!r} is none of {inner}"]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return [] if isinstance(value, dict) else [f"{path}: not an object"]
    if isinstance(origin, type) and issubclass(origin, (Iterable, Sequence)):
        if not isinstance(value, list):
            return [f"{path}: not a list"] * 2
        return [p for at, one in enumerate(value) for p in problems(one, inner[0], f"{path}[{at}]")]
    if hint in (object, typing.Any):
        return []
    if hint in (None, type(None)):
        return [] if value is None else [f"{path}: not null"] * 2
    if hint is float and isinstance(value, int):
        return []
    return [] if isinstance(hint, type) and type(value) is hint else [f"{path}: not a {hint}"] * 2


def request_type(wire):
    if wire == "anthropic":
        from anthropic.types.message_create_params import MessageCreateParamsStreaming

        return MessageCreateParamsStreaming
    from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

    return CompletionCreateParamsStreaming


def reply(wire, address):
    ask = {"model": "any", "messages": [{"role": "user", "content": "?"}]}
    if wire == "anthropic":
        from anthropic import Anthropic

        client = Anthropic(base_url=address, api_key="none", max_retries=0)
        with client.messages.stream(max_tokens=100, **ask) as stream:
            message = stream.get_final_message()
        calls = [[block.id, block.name, block.input] for block in message.content if block.type == "tool_use"]
        text = "".join(block.text for block in message.content if block.type == "text")
        usage = message.usage
        counts = [usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens, usage.output_tokens]
        return {"text": text, "calls": calls, "model": message.model, "counts": counts}
    from openai import OpenAI

    client = OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
    with client.chat.completions.stream(stream_options={"include_usage": True}, **ask) as stream:
        completion = stream.get_final_completion()
    message, usage = completion.choices[0].message, completion.usage
    calls = [[call.id, call.function.name, json.loads(call.function.arguments)] for call in message.tool_calls or []]
    read, written = usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens_details.cache_write_tokens
    counts = [usage.prompt_tokens - read - written, read, written, usage.completion_tokens]
    return {"text": message.content or "", "calls": calls, "model": completion.model, "counts": counts}


if sys.argv[1] == "requests":
    hint, bad = request_type(sys.argv[2]), []
    for number, line in enumerate(sys.stdin):
        bad += problems(json.loads(line), hint, f"request {number}")
    print("\n".join(bad))
    sys.exit(1 if bad else 0)
print(json.dumps(reply(sys.argv[2], sys.argv[3])))

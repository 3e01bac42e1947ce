"""A tariff plan as TOML text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def to_toml(fields: Mapping[str, Any]) -> str:
    """Plain values as TOML: scalars first, then tables, then lists of tables.

    A table without tables in it is written in line, so that a schedule stays on one line.
    """
    lines: list[str] = []
    _write(lines, (), fields)
    return "\n".join(lines).lstrip("\n") + "\n"


def _write(lines: list[str], path: tuple[str, ...], table: Mapping[str, Any]) -> None:
    blocks = {key: value for key, value in table.items() if _is_block(path, value)}
    lines += [f"{_key(key)} = {_value(value)}" for key, value in table.items() if key not in blocks]
    for key, value in blocks.items():
        place = (*path, key)
        name = ".".join(_key(part) for part in place)
        if isinstance(value, list):
            for item in value:
                lines += ["", f"[[{name}]]"]
                _write(lines, place, item)
        else:
            lines += ["", f"[{name}]"]
            _write(lines, place, value)


def _is_block(path: tuple[str, ...], value: object) -> bool:
    """Whether a value has a heading of its own: tables of the file, and lists of tables."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, Mapping) for item in value)
    return isinstance(value, Mapping) and not path


def _key(key: str) -> str:
    return key if key and all(c.isascii() and (c.isalnum() or c in "_-") for c in key) else _string(key)


def _string(text: str) -> str:
    # a TOML basic string takes the escapes of JSON; a DEL must be escaped in TOML only
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else _string(str(value))

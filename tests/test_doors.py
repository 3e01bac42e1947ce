"""What `import fastclear` brings, and when: names come in with the room that they live in."""

import importlib
import subprocess
import sys

import pytest

import fastclear
from fastclear import _NAMES_OF


@pytest.fixture
def alone():
    """A process that has only polars and numpy, and the extension, which is loaded once."""
    kept = {name: module for name, module in sys.modules.items() if name.startswith("fastclear")}
    yield lambda: [sys.modules.pop(name) for name in list(sys.modules) if name in kept and name != "fastclear._core"]
    for name in [name for name in sys.modules if name.startswith("fastclear")]:
        del sys.modules[name]
    sys.modules.update(kept)


@pytest.mark.parametrize("room", _NAMES_OF)
def test_a_room_is_entered_first(room, alone):
    alone()
    door = importlib.import_module("fastclear")
    for name in _NAMES_OF[room].split():
        assert getattr(door, name).__module__.startswith("fastclear"), name


def test_every_public_name_is_there_once():
    names = [name for names in _NAMES_OF.values() for name in names.split()]
    assert len(names) == len(set(names))
    assert sorted([*names, "__version__"]) == fastclear.__all__
    assert set(fastclear.__all__) <= set(dir(fastclear))


def test_type_checkers_read_the_same_names():
    import ast
    from pathlib import Path

    stub = ast.parse(Path(fastclear.__file__).with_suffix(".pyi").read_text())
    told = {
        node.module.removeprefix("fastclear."): sorted(alias.name for alias in node.names)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
    }
    assert told == {room: sorted(names.split()) for room, names in _NAMES_OF.items()}
    (listed,) = (node.value for node in stub.body if isinstance(node, ast.Assign))
    assert ast.literal_eval(listed) == fastclear.__all__


def test_rooms_are_attributes_and_what_is_not_there_is_not():
    assert fastclear.preference.concede is importlib.import_module("fastclear.preference").concede
    with pytest.raises(AttributeError, match="module 'fastclear' has no attribute 'clea'"):
        _ = fastclear.clea
    with pytest.raises(ImportError, match="cannot import name 'clea'"):
        exec("from fastclear import clea")


def test_to_clear_an_auction_brings_neither_platforms_nor_invoices():
    asks = "import sys, fastclear as fc; before = set(sys.modules); fc.clear; print(*sorted(before), '|', *sys.modules)"
    told = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True).stdout
    before, after = (set(part.split()) for part in told.split("|"))
    assert not before & {"polars", "numpy", "pydantic"}
    assert "polars" in after
    assert not after & {"pydantic", "fastclear.platforms", "fastclear.invoices", "fastclear.settlement"}

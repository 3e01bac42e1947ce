"""The scripts of examples/ run, and show what they say."""

import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_run_here():
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    scripts = {path.stem for path in FOLDER.glob("*.py")}
    assert scripts
    assert scripts <= tested


def test_zero_intelligence(capsys):
    """97 to 100 % with the budget constraint, far less without: in every market but the thin one, on the mean."""
    rows = load("zero_intelligence").main(20, 5)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(rows) + 2 == 8
    for name, with_mean, with_least, without_mean, _ in rows:
        assert with_least <= with_mean <= 100
        assert without_mean < with_mean - 5
        if name == "thin":
            assert with_mean >= 90
            assert without_mean < 0  # what everybody trades costs more than it is worth
        else:
            assert with_mean >= 97, name
            assert without_mean < 93


def test_the_table_is_printed_by_the_script_itself(monkeypatch, capsys):
    script = FOLDER / "zero_intelligence.py"
    monkeypatch.setattr(sys, "argv", [str(script), "1", "3"])
    module = load("zero_intelligence")
    monkeypatch.setattr(module, "STEPS_MAX", 5)
    module.main(*(int(argument) for argument in sys.argv[1:]))
    assert "1 replications a market, seed 3" in capsys.readouterr().out


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_gives_the_same_table(seed, monkeypatch):
    module = load("zero_intelligence")
    monkeypatch.setattr(module, "STEPS_MAX", 200)
    assert module.main(3, seed) == module.main(3, seed)

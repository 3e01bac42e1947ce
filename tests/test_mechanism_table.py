"""One table of claims: the frame, the docstrings, the chapter and the command line say the same."""

import importlib.util
import json
import re
from dataclasses import fields
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import fastclear as fc
from fastclear.auction import registry
from fastclear.auction.parameters import Mechanism
from fastclear.auction.properties import PROPERTIES, described, every, markdown, section
from fastclear.cli import app

ROOT = Path(__file__).resolve().parent.parent
NEEDED = {
    "RandomMatching": {"seed": 1},
    "Sbba": {"seed": 1},
    "Muda": {"seed": 1},
    "MultiRound": {"buyer_step": 1, "seller_step": 1},
}
CLASSES = sorted({row.mechanism for row in PROPERTIES})


def test_the_frame():
    frame = fc.mechanisms()
    assert frame.columns == [
        "name",
        "class",
        "budget_balance",
        "individual_rationality",
        "truthfulness",
        "efficiency",
        "complexity",
        "source",
    ]
    assert set(frame.dtypes) == {pl.String}
    assert frame["name"].n_unique() == frame.height == len(every())
    assert frame.null_count().sum_horizontal().item() == 0
    assert not frame.select((pl.all().str.strip_chars() == "").any()).row(0).count(True)


def test_it_prints_every_row_and_keeps_the_terms_for_those_who_ask():
    brief, full = fc.mechanisms(), fc.mechanisms(terms=True)
    printed = repr(brief)
    assert all(name in printed for name in brief["name"])
    assert "…" not in printed + repr(full)
    assert max(map(len, printed.splitlines())) <= 160
    for column in brief.columns:
        for short, long in zip(brief[column], full[column], strict=True):
            assert long.startswith(short), column
    assert full["truthfulness"].str.contains(";").any()


def test_claims_begin_with_words_that_can_be_compared():
    for row in PROPERTIES:
        assert row.budget.short in ("balanced", "surplus", "deficit"), row.name
        assert row.rationality.short == "yes", row.name
        assert row.truthfulness.short in ("yes", "no", "price only", "in expectation", "given the halves"), row.name
        assert row.efficiency.short, row.name


def test_nobody_claims_all_four():
    """Myerson & Satterthwaite 1983: truthful, balanced, rational and efficient at once is impossible."""
    for row in PROPERTIES:
        claims = (row.truthfulness.short == "yes", row.budget.short != "deficit", row.efficiency.short == "optimal")
        assert not all(claims), row.name


def test_every_mechanism_is_in_it():
    public = {
        name
        for name in dir(fc)
        if isinstance(getattr(fc, name), type)
        and isinstance(getattr(getattr(fc, name), "core", None), object)
        and "core" in {field.name for field in getattr(getattr(fc, name), "__dataclass_fields__", {}).values()}
    }
    assert len(public) >= 11
    assert public <= {row.mechanism for row in PROPERTIES}
    assert {row.mechanism for row in PROPERTIES} - public == {"Blocks"}  # which clears in Python and has no core


@pytest.mark.parametrize("name", CLASSES)
def test_docstrings_hold_their_claims(name):
    doc = getattr(fc, name).__doc__
    assert doc.count("Properties\n    ----------") == 1
    text = " ".join(doc.split())
    for row in PROPERTIES:
        if row.mechanism == name:
            for claim in row.claims().values():
                assert " ".join(f"{claim}.".split()) in text
            assert row.source in text
    for line in doc.splitlines():
        assert len(line) <= 120
    # and nowhere else: what is said twice is soon said in two ways
    before = doc[: doc.index("Properties\n")].lower()
    for word in ("budget balanced", "individually rational,", "cost o(", "source:", "sources:"):
        assert word not in before


def test_a_class_without_claims_is_noticed():
    with pytest.raises(KeyError, match="Nonsense"):
        described(type("Nonsense", (), {}))
    with pytest.raises(KeyError):
        section("Nonsense")


def test_slots_and_pickles_survive_the_decorator():
    import pickle

    for name in CLASSES:
        mechanism = getattr(fc, name)(**NEEDED.get(name, {}))
        assert isinstance(mechanism, Mechanism) or name == "Blocks"
        assert not hasattr(mechanism, "__dict__")
        assert pickle.loads(pickle.dumps(mechanism)) == mechanism
        assert type(mechanism).__module__.startswith("fastclear.auction.")


def script():
    spec = importlib.util.spec_from_file_location("mechanism_table", ROOT / "scripts" / "mechanism_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_chapter_holds_the_table(capsys):
    module = script()
    text = module.DOCUMENT.read_text(encoding="utf-8")
    assert markdown() in text
    assert module.rewritten(text) == text
    assert module.main(["--check"]) == 0
    stale = text.replace("| `Huang` |", "| `Wang` |")
    assert stale != text
    assert module.rewritten(stale) == text
    with pytest.raises(SystemExit, match="markers"):
        module.rewritten(text.replace(module.END, ""))


def test_the_chapter_has_a_section_for_every_mechanism():
    pages = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("2*.md")))
    headings = re.findall(r"^## .*$", pages, re.MULTILINE)
    for name in CLASSES:
        assert any(f"`{name}`" in heading for heading in headings), name


# -- the registry -----------------------------------------------------------------------------------------------------


def test_names_on_the_command_line():
    assert registry.name_of("TradeReduction") == "trade_reduction"
    known = registry.classes()
    assert list(known)[:3] == ["uniform", "discriminatory", "maximal_volume"]
    for name in known:
        assert registry.make(name.replace("_", "-").upper(), _options(name)) == registry.make(name, _options(name))
    assert registry.make("assume", {}) == fc.mechanism("assume")


def _options(name):
    return {option: 1 for option, needed in registry.options_of(name).items() if needed} | (
        {"seed": 1} if name == "muda" else {}
    )


def test_every_option_of_a_mechanism_is_on_the_command_line():
    help_text = CliRunner().invoke(app, ["clear", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).stdout
    looked_at = 0
    for name in registry.classes():
        for option in registry.options_of(name):
            assert f"--{option.replace('_', '-')} " in help_text, option
            looked_at += 1
    assert looked_at > 30
    own = {field.name for cls in registry.classes().values() for field in fields(cls) if field.init}
    assert own - {option for name in registry.classes() for option in registry.options_of(name)} == {
        "partition",
        "permutation",
    }


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("vikrey", {}, "did you mean vickrey"),
        ("nonsense", {}, "there is uniform, "),
        ("huang", {"rule": "bid"}, "--rule is no option of huang; it takes none"),
        ("average", {"seed": 1}, "it takes --unit"),
        ("sbba", {}, "sbba needs --seed"),
        ("tesp", {"k": 1}, "leave out --k"),
    ],
)
def test_wrong_names_and_options(name, options, words):
    with pytest.raises(fc.MechanismError, match=words):
        registry.make(name, options)


def test_the_command_lists_them():
    result = CliRunner().invoke(app, ["mechanisms", "--json"])
    listed = json.loads(result.stdout)
    assert [entry["name"] for entry in listed] == fc.mechanisms()["name"].to_list()
    assert listed[0]["command"] == "uniform"
    for name in ("muda", "trade-reduction"):
        told = CliRunner().invoke(app, ["mechanisms", name], env={"COLUMNS": "80", "TERM": "dumb"}).stdout
        assert "options: --" in told
        assert max(map(len, told.splitlines())) <= 80

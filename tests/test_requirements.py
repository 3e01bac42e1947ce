"""The table of requirements: all of them, each with tests that exist or with what is not there yet."""

import re
from pathlib import Path

import pytest

from fastclear.platforms import load_preset, platforms

ROOT = Path(__file__).parent.parent
TABLE = (ROOT / "docs" / "5c_requirements.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "5_platforms.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| R(\d+) \| (.+?) \| (.+) \|$", TABLE, re.MULTILINE)
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", TABLE)


def test_all_fifty_five_are_there_once_and_each_says_something() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 56))
    for number, _, shown in ROWS:
        fates = ("::", "not yet", "measured", "out of scope")
        assert any(fate in shown for fate in fates), f"R{number}: {shown}"


def missing(names: list[tuple[str, str]]) -> list[str]:
    return [
        f"{file}::{test}"
        for file, test in names
        if not re.search(rf"^def {test}\(", (ROOT / "tests" / file).read_text(encoding="utf-8"), re.MULTILINE)
    ]


def test_every_test_that_it_names_exists() -> None:
    assert len(NAMED) > 50
    assert missing(NAMED) == []
    assert missing([("test_requirements.py", "test_that_is_none")]) == ["test_requirements.py::test_that_is_none"]


@pytest.mark.parametrize("name", platforms()["name"].to_list())
def test_every_preset_has_its_section_in_the_chapter(name: str) -> None:
    preset = load_preset(name)
    section = re.search(rf"^### `{name}`(.*?)(?=^###? |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section is not None, f"docs/5_platforms.md has no section ### `{name}`"
    # what the reviews state of a platform is in its section
    for key, value, origin, _ in preset.parameters():
        if origin == "stated" and key.startswith(("set_up", "market", "settlement")) and re.search(r"\d", value):
            assert value in section[1], f"{name}: {key} = {value} is stated and not in its section"

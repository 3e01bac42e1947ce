"""The README shows what the command prints; its commands are the ones that CI runs."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def lines(text):
    """Lines without trailing space, blank ones and those that state a time taken."""
    kept = (line.rstrip() for line in text.splitlines())
    return [line for line in kept if line and not re.match(r"Time (clearing|in all)", line)]


def test_the_readme_shows_what_the_command_prints():
    shown = lines(README.split("```text\n")[1].split("```")[0])
    printed = subprocess.run(
        [sys.executable, "-m", "fastclear.cli", "run", "brooklyn"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        env={"COLUMNS": "80", "PATH": "", "PYTHONIOENCODING": "utf-8"},
    ).stdout
    assert len(shown) > 15
    assert shown == lines(printed)


def test_ci_runs_the_two_commands_of_the_readme():
    first, second = README.split("```sh\n")[1].split("```")[0].strip().splitlines()
    developer = (ROOT / "dev.py").read_text(encoding="utf-8")
    assert first == "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/fastclear run brooklyn"
    for step in ('"-m", "venv", ".venv"', '"pip", "install", "--quiet", "."', '"fastclear", "run", "brooklyn"'):
        assert step in developer.replace(' / "pip"', ', "pip"').replace(' / "fastclear"', ', "fastclear"')
    assert second == "python3 dev.py test"
    assert "python3 dev.py ci" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")

"""Hypothesis profiles, and a guard against testing an extension older than its sources."""

import os
from pathlib import Path

import hypothesis
import pytest

import fastclear
from fastclear import _core

ROOT = Path(__file__).resolve().parent.parent

_COMMON = {"deadline": None, "print_blob": True}
hypothesis.settings.register_profile("dev", max_examples=100, **_COMMON)
hypothesis.settings.register_profile("ci", max_examples=200, derandomize=True, database=None, **_COMMON)
hypothesis.settings.register_profile("long", max_examples=2_000, **_COMMON)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))


def rust_sources(root):
    """Every file that decides what `_core` is."""
    files = [root / "Cargo.toml", root / "Cargo.lock", *root.glob("rust/*/Cargo.toml")]
    files += root.glob("rust/*/src/**/*.rs")
    fuzz = root / "rust" / "fuzz"  # decides nothing: it only feeds the core
    return [path for path in files if path.is_file() and fuzz not in path.parents]


def newer_than(binary, sources):
    built = Path(binary).stat().st_mtime
    return sorted(path for path in sources if path.stat().st_mtime > built)


def pytest_sessionstart(session):
    sources = rust_sources(ROOT)
    stale = newer_than(_core.__file__, sources)
    if stale:
        names = "\n  ".join(str(path.relative_to(ROOT)) for path in stale[:5])
        pytest.exit(
            f"{_core.__file__} is older than {len(stale)} of {len(sources)} Rust sources, "
            f"such as\n  {names}\n"
            "rebuild it (maturin develop --release), or every result below is about old code",
            returncode=3,
        )


def pytest_report_header(config):
    profile = hypothesis.settings.get_current_profile_name()
    return f"fastclear {fastclear.__version__} at {_core.__file__}, hypothesis profile {profile}"

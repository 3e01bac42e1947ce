#!/usr/bin/env python3
"""The developer's commands. Needs Python 3.11+ and a Rust toolchain; everything else it installs into `.venv`.

python3 dev.py test     every test: Rust, Python, documentation (sets everything up by itself)
python3 dev.py lint     formatting, clippy, rustdoc, ruff, mypy, stubtest
python3 dev.py build    the extension into `.venv`, for the inner loop
python3 dev.py bench    tables and plot of docs/6_performance.md; --quick shows that every benchmark runs
python3 dev.py books    of these the table of order books alone
python3 dev.py record   what pymarket answers to the books of tests/data, anew
python3 dev.py ci       test, lint, then the README's first command in a fresh clone
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
DATA_TESTS = ("tests/test_embedded_community.py", "tests/test_pvlib.py", "tests/test_schedule.py")
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")


def run(*command: str | Path, cwd: Path = HERE, **environment: str) -> None:
    """Run a command, showing it, and stop at its failure."""
    print("+", *command, flush=True)
    subprocess.run([str(part) for part in command], cwd=cwd, env={**os.environ, **environment}, check=True)


def install(*groups: str) -> None:
    """Make `.venv` if it is missing, and bring it up to the given dependency groups."""
    if not BIN.exists():
        venv.create(VENV, with_pip=True)
    stamp = VENV / f"installed-{'-'.join(groups)}"
    if stamp.exists() and stamp.stat().st_mtime > (HERE / "pyproject.toml").stat().st_mtime:
        return
    run(BIN / "python", "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1", "maturin>=1.9.4,<2")
    for group in groups:
        # `--pre` only where a pinned version is a pre-release
        pre = ["--pre"] if group == "data" else []
        run(BIN / "python", "-m", "pip", "install", "--quiet", *pre, "--group", group)
    stamp.touch()


def environment(name: str, base: Path | None = None) -> Path:
    """Make an environment for libraries whose versions exclude those of the others; return its interpreter."""
    folder = HERE / "target" / f"venv-{name}"
    python = folder / BIN.name / "python"
    if not python.exists():
        if base is None:
            venv.create(folder, with_pip=True)
        else:
            run(base, "-m", "venv", folder)
        run(python, "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1")
    return python


def build() -> None:
    """Build the extension in release mode and install the package for editing."""
    install("dev")
    run(BIN / "maturin", "develop", "--release", "--quiet", VIRTUAL_ENV=str(VENV))


def test() -> None:
    """Run every test."""
    build()
    run("cargo", "test", "--profile", "checks", "--quiet", "--workspace", "--exclude", "fastclear-py")
    run(BIN / "python", "-m", "pytest", "--quiet")
    data()
    simbench()
    smoke()


def install_wheel(python: Path, folder: str) -> Path:
    """Build the wheel and install it, without what it needs, where another interpreter finds it; return the wheel."""
    wheels = HERE / "target" / folder
    shutil.rmtree(wheels, ignore_errors=True)
    run(BIN / "maturin", "build", "--release", "--quiet", "--out", wheels)
    wheel = next(wheels.glob("*.whl"))
    run(python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", wheel)
    return wheel


def data() -> None:
    """Make the embedded community anew and compare it with what is shipped; PV and plans against pvlib and scipy."""
    install("dev", "data")
    run(BIN / "python", "-m", "pytest", "--quiet", *DATA_TESTS)


def simbench() -> None:
    """Test the SimBench loader against the real package, which needs an older pandas than the other tests."""
    python = environment("simbench")
    wheel = install_wheel(python, "simbench-wheel")
    tools = ("pytest", "pytest-benchmark", "pytest-timeout", "hypothesis", "pyarrow")
    run(python, "-m", "pip", "install", "--quiet", f"{wheel}[simbench]", *tools)
    run(python, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "tests/test_simbench.py")


def lint() -> None:
    """Check formatting, lints and types."""
    build()
    run("cargo", "fmt", "--check")
    run("cargo", "clippy", "--profile", "checks", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings")
    run("cargo", "doc", "--quiet", "--no-deps", "--workspace", RUSTDOCFLAGS="-D warnings")
    run(BIN / "ruff", "format", "--check", "--quiet")
    run(BIN / "ruff", "check", "--quiet")
    run(BIN / "mypy")
    run(BIN / "python", "-m", "mypy.stubtest", "fastclear._core")


def peers() -> Path:
    """Install what fastclear is compared with into an environment of its own; return its interpreter."""
    python = environment("peers")
    stamp = python.parent.parent / "installed"
    if not stamp.exists() or stamp.stat().st_mtime < (HERE / "pyproject.toml").stat().st_mtime:
        run(python, "-m", "pip", "install", "--quiet", "--group", "peers")
        stamp.touch()
    return python


def newer_python() -> Path | None:
    """Find an interpreter of Python 3.13 or later, which limit-order-book needs; None if there is none."""
    names = [f"python3.{minor}" for minor in (13, 14)]
    kept = sorted(Path.home().glob(".pyenv/versions/3.1[34]*/bin/python"))  # those that no name on the path leads to
    for found in [sys.executable, *filter(None, map(shutil.which, names)), *kept]:
        asked = "import sys, venv; sys.exit(sys.version_info < (3, 13))"
        if subprocess.run([found, "-c", asked], capture_output=True, check=False).returncode == 0:
            return Path(found)
    return None


def book_peer() -> list[str | Path]:
    """Options that name an interpreter with fastclear and limit-order-book; none where there cannot be one."""
    base = newer_python()
    if base is None:
        print("limit-order-book is not measured: it needs Python 3.13 or later, and none is found", flush=True)
        return []
    try:
        python = environment("book-peer", base)
        run(python, "-m", "pip", "install", "--quiet", "--group", "book-peer")
    except subprocess.CalledProcessError:
        print("limit-order-book is not measured: it cannot be installed here", flush=True)
        return []
    wheel = install_wheel(python, "book-peer-wheel")
    run(python, "-m", "pip", "install", "--quiet", wheel)
    return ["--peer", python]


def record() -> None:
    """Record pymarket's answers anew; the same books come out the same."""
    run(peers(), "scripts/record_pymarket.py")


def bench() -> None:
    """Measure, and redraw the tables and the plot of docs/6_performance.md."""
    build()
    run(BIN / "python", "benches/ratios.py", "--peers", peers(), *sys.argv[2:])
    run(BIN / "python", "benches/order_books.py", *book_peer(), *sys.argv[2:])


def books() -> None:
    """Measure order books alone, and redraw their table."""
    build()
    run(BIN / "python", "benches/order_books.py", *book_peer(), *sys.argv[2:])


def smoke() -> None:
    """Run every benchmark once, small: that it works and that all contestants agree; how fast is no test."""
    run("cargo", "test", "--profile", "checks", "--quiet", "--benches", "--package", "fastclear-core")
    run(BIN / "python", "benches/ratios.py", "--quick", "--peers", peers())
    run(BIN / "python", "benches/order_books.py", "--quick", *book_peer())


def ci() -> None:
    """Test, lint, and try the README's first command as a newcomer would."""
    test()
    lint()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "fastclear"
        run("git", "clone", "--quiet", HERE, clone)
        started = time.monotonic()
        run(sys.executable, "-m", "venv", ".venv", cwd=clone)
        run(clone / ".venv" / BIN.name / "pip", "install", "--quiet", ".", cwd=clone)
        print(f"pip install . took {time.monotonic() - started:.0f} s", flush=True)
        run(clone / ".venv" / BIN.name / "fastclear", "run", "brooklyn", cwd=clone)


COMMANDS = {"test": test, "lint": lint, "build": build, "bench": bench, "books": books, "record": record, "ci": ci}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    try:
        COMMANDS[sys.argv[1]]()
    except subprocess.CalledProcessError as error:
        sys.exit(f"failed ({error.returncode}): {' '.join(str(part) for part in error.cmd)}")

"""The guards guard: each has looked at something, and each catches a known-bad sample."""

import os

import conftest


def test_stale_guard_looked_at_sources():
    sources = conftest.rust_sources(conftest.ROOT)
    assert len(sources) > 10
    for name in ("reject.rs", "units.rs", "errors.rs", "Cargo.toml", "Cargo.lock"):
        assert any(path.name == name for path in sources), name


def test_stale_guard_catches_a_newer_source(tmp_path):
    source = tmp_path / "rust" / "some-crate" / "src" / "deep" / "lib.rs"
    source.parent.mkdir(parents=True)
    source.write_text("")
    binary = tmp_path / "_core.so"
    binary.write_text("")
    assert conftest.rust_sources(tmp_path) == [source]
    os.utime(source, (1_000, 1_000))
    os.utime(binary, (2_000, 2_000))
    assert conftest.newer_than(binary, [source]) == []
    os.utime(source, (3_000, 3_000))
    assert conftest.newer_than(binary, [source]) == [source]

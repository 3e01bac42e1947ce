"""R21 and R35: what has to be kept of a ledger, and where: an anchor of fixed size, headers, and one's own proofs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import fastclear as fc
from fastclear import light_client
from fastclear.block import RECORD_ENTRY_LEN

OPERATOR = fc.Signer("market.example", bytes([1] * 32))


def ledger_of(trades: int, blocks: int = 3) -> fc.Ledger:
    ledger = fc.Ledger({"market": "demo"}, seed=trades)
    pairs = trades // 2 + 1
    orders = {
        "side": ["buy"] * pairs + ["sell"] * pairs,
        "price": [200_000 - at % 50 for at in range(pairs)] + [100_000 + at % 50 for at in range(pairs)],
        "quantity": [1 + at % 7 for at in range(pairs)] * 2,
    }
    for slot in range(blocks):
        ledger.seal(fc.clear(orders, fc.Uniform()), slot=slot)
    return ledger


@pytest.mark.parametrize("trades", [10, 1_000, 100_000])
def test_an_anchor_has_one_size_whatever_it_stands_for_and_a_replay_finds_its_root(trades: int) -> None:
    """Trades stay off the chain that a platform anchors in: what goes there is a signed checkpoint, or a hash."""
    ledger = ledger_of(trades)
    assert sum(ledger.block(height).records for height in range(3)) >= 3 * trades // 2
    anchor = ledger.checkpoint(OPERATOR)
    smallest = ledger_of(10).checkpoint(OPERATOR)
    assert len(anchor.text.encode()) == len(smallest.text.encode()) <= 256
    assert len(ledger.head) // 2 == 32
    replica = fc.Validator(fc.Signer("witness", bytes([2] * 32)), ledger.params, log=OPERATOR.public)
    for height in range(3):
        replica.replay(ledger.block_bytes(height))
    assert anchor.having(replica.cosign(anchor, time=0)).text.startswith(anchor.text)  # it has found the same root


def test_headers_and_own_proofs_are_enough_once_everything_else_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = fc.Ledger.open(tmp_path / "ledger", {"market": "demo"}, seed=3, durability="none")
    orders = {"side": ["buy", "sell", "buy"], "price": [200_000, 100_000, 150_000], "quantity": [500, 700, 100]}
    for slot in range(20):
        kept.seal(fc.clear(orders, fc.Uniform()), slot=slot)
    head = kept.head
    mine = [(height, kept.prove(height, 0).to_json()) for height in (0, 7, 19)]
    del kept
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(tmp_path / "ledger" / "headers.bin", home)
    shutil.rmtree(tmp_path / "ledger")
    assert (home / "headers.bin").stat().st_size == 20 * light_client.HEADER_LEN
    assert light_client.HEADER_LEN <= 280
    assert RECORD_ENTRY_LEN <= 128  # what a trade takes before it is pruned
    for height, text in mine:
        proof = home / "proof.json"
        proof.write_text(text)
        arguments = [str(proof), "--headers", str(home / "headers.bin"), "--head", head]
        assert light_client.main(arguments) == 0
        said = capsys.readouterr().out
        assert f"in block {height} (" in said
        assert "The chain of 20 headers holds and ends in your head." in said
        # a header that was touched, or a proof of something else, shows
        proof.write_text(text.replace('"leaf": "fc', '"leaf": "fd'))
        assert light_client.main(arguments) == 1
    broken = bytearray((home / "headers.bin").read_bytes())
    broken[5 * light_client.HEADER_LEN + 100] ^= 1
    (home / "headers.bin").write_bytes(broken)
    (home / "proof.json").write_text(mine[0][1])
    assert light_client.main([str(home / "proof.json"), "--headers", str(home / "headers.bin"), "--head", head]) == 1

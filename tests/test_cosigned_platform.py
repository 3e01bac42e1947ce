"""Blocks of a platform that authorised nodes cosign: the policy, what it refuses, and what stays the same."""

from __future__ import annotations

import html
import json
import pickle
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

import fastclear as fc
from fastclear import light_client, report
from fastclear.checkpoints import Checkpoint
from fastclear.cli import app
from fastclear.errors import PresetError
from fastclear.platforms import load_preset, parse_preset
from fastclear.platforms.cosigning import Cosigning, simulated_signer

NODES = ["aggregator-1", "aggregator-2", "aggregator-3", "aggregator-4"]


@pytest.fixture(scope="module")
def preset() -> Any:
    return load_preset("credit-bank").with_values("the test", set_up__members=11)


@pytest.fixture(scope="module")
def kept(preset: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[fc.RunResult, Path]:
    out = tmp_path_factory.mktemp("cosigned") / "run"
    return fc.run(preset, days=2, seed=4, out=out), out


def test_the_command_and_the_library_hold_every_block_against_the_policy(kept: tuple[fc.RunResult, Path]) -> None:
    result, out = kept
    policy = (out / "policy.txt").read_text()
    assert policy == result.policy
    checked = fc.verify_directory(out / "ledger", policy=policy)
    assert checked.cosigned == checked.blocks == result.blocks == 193
    assert sorted(checked.signers) == NODES
    said = CliRunner().invoke(app, ["verify", str(out), "--policy", str(out / "policy.txt")])
    assert said.exit_code == 0
    assert "checkpoint of 193 blocks signed by aggregator-1, aggregator-2, aggregator-3, aggregator-4" in said.output
    # every header names the consortium
    assert {result.ledger.consortium_at(height).hash for height in range(result.blocks)} == {  # type: ignore[union-attr]
        fc.Consortium([simulated_signer(name, 4) for name in NODES], 3).hash
    }


def test_a_member_checks_the_signatures_with_one_file(
    kept: tuple[fc.RunResult, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result, out = kept
    page = (out / "report.html").read_text()
    boxes = {
        name: html.unescape(re.search(rf'<textarea id="{name}-run"[^>]*>(.*?)</textarea>', page, re.DOTALL)[1])  # type: ignore[index]
        for name in ("proof", "policy")
    }
    assert boxes["policy"] == result.policy
    (tmp_path / "proof.json").write_text(boxes["proof"])
    (tmp_path / "policy.txt").write_text(boxes["policy"])
    arguments = [str(tmp_path / "proof.json"), "--policy", str(tmp_path / "policy.txt")]
    assert light_client.main(arguments) == 0
    assert f"The log of 193 blocks is signed by {', '.join(NODES)}." in capsys.readouterr().out

    def verdict(text: str) -> int:
        (tmp_path / "other.txt").write_text(text)
        return light_client.main([*arguments, "--checkpoint", str(tmp_path / "other.txt")])

    cosigned = result.ledger.cosigned
    assert cosigned is not None
    lines = cosigned.text.splitlines(keepends=True)
    assert verdict("".join(lines[:-1])) == 0  # three of four are a quorum
    assert verdict("".join(lines[:-2])) == 1  # two are none
    assert verdict(cosigned.text.replace("\n193\n", "\n192\n")) == 1
    # the nodes of another run are not those of this one
    (tmp_path / "policy.txt").write_text(Cosigning(result.preset, 5).policy)
    assert light_client.main(arguments) == 1
    with pytest.raises(fc.VerificationError):
        fc.verify_directory(out / "ledger", policy=Cosigning(result.preset, 5).policy)


def test_signatures_are_the_same_again_in_memory_and_pickled(preset: Any, kept: tuple[fc.RunResult, Path]) -> None:
    result, out = kept
    again = fc.run(preset, days=2, seed=4)
    signed = (out / "ledger" / "checkpoint").read_text()
    assert again.head == result.head
    assert again.policy == result.policy
    copy = pickle.loads(pickle.dumps(again))
    for run in (again, copy):
        assert run.ledger.cosigned is not None
        assert run.ledger.cosigned.text == signed
        assert sorted(Checkpoint(signed).verify(run.ledger.consortium)) == NODES
    assert fc.run(preset, days=1, seed=5).policy != result.policy
    # seconds beside the signatures are those of the simulation: an hour after the last slot
    last = int(result.community.slots[-1]) + result.community.slot_ns
    assert set(Checkpoint(signed).verify(again.ledger.consortium).values()) == {last // 10**9 + 3600}


def test_what_vouching_costs_is_reported_and_no_node_searches_for_anything(kept: tuple[fc.RunResult, Path]) -> None:
    """R36: no proof of work. A header has no nonce, and what nodes compute for a block is one replay and a share of a
    signature: here it is counted."""
    result, out = kept
    cpu = result.seconds["vouching"]
    assert 0 < cpu < result.seconds["total"]
    assert json.loads((out / "run.json").read_text())["seconds"]["vouching"] == round(cpu, 6)
    assert cpu / result.blocks / len(NODES) < 0.05  # seconds a block and node; a fraction of a millisecond is usual
    fields = light_client.parse_header(result.ledger.block(7).header)._fields
    assert len(fields) > 10
    assert not [name for name in fields if "nonce" in name or "difficulty" in name or "target" in name]
    again = fc.Ledger(result.ledger.params, seed=4, consortium=result.ledger.consortium)
    assert (
        again.seal(None, slot=5).hash
        == fc.Ledger(result.ledger.params, seed=4, consortium=result.ledger.consortium).seal(None, slot=5).hash
    )


def test_nodes_do_not_sign_what_does_not_follow(preset: Any, kept: tuple[fc.RunResult, Path]) -> None:
    ledger = kept[0].ledger
    nodes = Cosigning(preset, 4)

    def block_bytes(height: int) -> bytes:
        content = bytearray(ledger.block_bytes(height))
        if height == 40:
            content[280 + 80] ^= 1  # the amount of its first record
        return bytes(content)

    forged = SimpleNamespace(params=ledger.params, height=60, block_bytes=block_bytes)
    with pytest.raises(fc.VerificationError) as refused:
        nodes.replay(forged)  # type: ignore[arg-type]
    assert refused.value.height == 40


def test_a_platform_with_one_writer_has_no_policy() -> None:
    result = fc.run("brooklyn", days=1)
    assert result.policy is None
    assert result.ledger.cosigned is None
    assert "cosigned" not in report.proof_html(result, "run")


@pytest.mark.parametrize(
    ("nodes", "quorum", "message"),
    [
        (["a", "b"], 3, "quorum is 3 of 2 nodes"),
        (["a", "a"], 1, "each once"),
        ([], 1, "name 1 to 100 nodes"),
        (["a+b"], 1, "information.consortium.nodes"),
    ],
)
def test_a_consortium_that_cannot_be_is_refused(nodes: list[str], quorum: int, message: str) -> None:
    data = load_preset("credit-bank").model_dump()
    data["information"]["consortium"]["nodes"]["value"] = nodes
    data["information"]["consortium"]["quorum"]["value"] = quorum
    with pytest.raises(PresetError, match=message):
        parse_preset(data)

"""What comes out of the sandbox is small, and nonsense in it is refused."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from alphintra_lab.engine.decisions import (
    decode,
    encode,
    signal_arrays,
    signal_decisions,
    weight_decisions,
)
from alphintra_lab.engine.outcomes import read_outcomes
from alphintra_lab.engine.reruns import frame, pack, read_reruns, take_rows, unpack
from alphintra_lab.engine.variants import Rerun, Variant

ROWS = 50
RANDOM = np.random.default_rng(0)
BASE = signal_decisions(["A", "B"], RANDOM.random((ROWS, 2)) > 0.5, RANDOM.random((ROWS, 2)) > 0.5)
OTHER = signal_decisions(["A", "B"], RANDOM.random((ROWS, 2)) > 0.5, RANDOM.random((ROWS, 2)) > 0.5)


def test_rows_are_taken_from_every_array() -> None:
    sized = signal_decisions(["A"], [True] * 5, [False] * 5, size=[0.1, 0.2, 0.3, 0.4, 0.5])
    part = take_rows(sized, 1, 3)
    arrays = signal_arrays(decode(encode(part), bars=2, symbols=["A"]))  # type: ignore[arg-type]  # signals went in
    assert arrays.size is not None and arrays.size.ravel().tolist() == [0.2, 0.3]
    weights = weight_decisions(["A"], np.arange(5.0)[:, None])
    assert np.frombuffer(take_rows(weights, 3, 5).weights).tolist() == [3, 4]  # type: ignore[union-attr]  # weights went in


def test_packed_decisions_come_back_whatever_they_were_packed_against() -> None:
    for base in (None, BASE, OTHER, weight_decisions(["A"], [[1.0]])):
        assert unpack(pack(OTHER, base), base) == encode(OTHER)


def test_equal_decisions_take_no_space() -> None:
    large = weight_decisions(["A"], RANDOM.random((100_000, 1)))
    assert len(pack(large, large)) < 5_000 < len(pack(large, None))


def test_a_bomb_a_cut_and_a_wrong_base_are_refused() -> None:
    bomb = b"\0" + zlib.compress(bytes(10_000_000))
    with pytest.raises(ValueError, match="larger than they may be"):
        unpack(bomb, None, 1000)
    with pytest.raises(ValueError, match="cut off"):
        unpack(pack(OTHER, None)[:-5], None)
    with pytest.raises(ValueError, match="do not fit"):
        unpack(pack(OTHER, BASE), take_rows(BASE, 0, 10))
    for nonsense in (b"", b"\0", b"\7abc", b"\0abc"):
        with pytest.raises(ValueError, match="packed decisions"):
            unpack(nonsense, None)


def test_a_file_that_breaks_off_gives_what_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "reruns"
    whole = [Rerun(0, packed=b"x"), Rerun(1, error="no")]
    data = b"".join(map(frame, whole))
    path.write_bytes(data + frame(Rerun(2))[:-3])
    assert list(read_reruns(path)) == whole
    path.write_bytes(data + (2**63).to_bytes(8, "little") + b"x")
    assert list(read_reruns(path)) == whole
    path.write_bytes(frame(whole[0]) + (4).to_bytes(8, "little") + b"\xc1\xc1\xc1\xc1")
    assert list(read_reruns(path)) == whole[:1]


def test_outcomes_keep_only_what_differs_and_judge_what_they_read(tmp_path: Path) -> None:
    path = tmp_path / "reruns"
    variants = [Variant("repeat", 0, ROWS), *[Variant("rise", 0, 20, 1)] * 4]
    part = take_rows(BASE, 0, 20)
    wrong = signal_decisions(["A", "C"], np.zeros((20, 2), bool), np.zeros((20, 2), bool))
    frames = [
        Rerun(0, packed=pack(BASE, None)),
        Rerun(1, packed=pack(part, part)),
        Rerun(2, packed=pack(take_rows(OTHER, 0, 20), part)),
        Rerun(3, packed=pack(wrong, part)),
        Rerun(4, error="KeyError"),
        Rerun(99),
    ]
    path.write_bytes(b"".join(map(frame, frames)))
    repeat, same, other, bad, failed = read_outcomes(path, variants, BASE)
    assert (repeat.other, same.other) == (None, None)
    assert other.other == take_rows(OTHER, 0, 20)
    assert other.changed(BASE).any() and not same.changed(BASE).any()
    assert bad.error is not None and "A, C" in bad.error
    assert failed.error == "KeyError"

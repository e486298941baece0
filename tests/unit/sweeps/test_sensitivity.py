"""What a figure hangs on: indices and correlations of functions whose answer is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from crash_rows import rows, sweep_of

from perpsim.sweeps.design import Design
from perpsim.sweeps.model import Sweep
from perpsim.sweeps.sensitivity import ADL, FIGURES, of_runs, sobol, weights

LOSS = "shortfall.total"
POLICY = {"key": "markets.0.adl", "label": "policy", "values": ["index", "random"]}


def along(label: str, low: float = 0.0, high: float = 1.0) -> dict[str, Any]:
    return {"key": f"traders.{label}", "label": label, "low": low, "high": high}


def drawn(sweep: Sweep, loss: Callable[..., float]) -> pl.DataFrame:
    """The points of a sweep on all of its seeds; `loss` takes the labels and the seed."""
    design = Design(sweep)
    runs = []
    for point in range(design.points):
        values = design.values(point)
        for seed in range(sweep.seeds):
            found = loss(**values, seed=seed)
            runs.append({"point": point, "seed": seed, LOSS: found, "adl.count": float(found > 0.8)} | values)
    return rows(sweep, runs)


def ishigami(base: int = 256, seeds: int = 2) -> tuple[pl.DataFrame, Sweep]:
    """Ishigami's function, a = 7, b = 0.1; the seed adds what averages out."""

    def loss(a: float, b: float, c: float, seed: int) -> float:
        return math.sin(a) + 7 * math.sin(b) ** 2 + 0.1 * c**4 * math.sin(a) + (0.5 - seed)

    sides = [along(label, -math.pi, math.pi) for label in "abc"]
    sweep = sweep_of(*sides, seeds=seeds, sample={"kind": "saltelli", "points": base, "seed": 3})
    return drawn(sweep, loss), sweep


# Sobol indices


def test_the_indices_of_ishigami_are_found() -> None:
    """First-order 0.3139, 0.4424, 0; total 0.5576, 0.4424, 0.2437 (Ishigami and Homma 1990)."""
    frame, sweep = ishigami(1024, seeds=1)
    found = sobol(frame, sweep, LOSS)
    assert [one.label for one in found.indices] == ["a", "b", "c"] and found.base == 1024
    for one, first, total in zip(found.indices, (0.3139, 0.4424, 0.0), (0.5576, 0.4424, 0.2437)):
        assert one.first.value == pytest.approx(first, abs=0.05)
        assert one.total.value == pytest.approx(total, abs=0.05)
        assert one.first.low <= one.first.value <= one.first.high
        assert one.total.low <= total <= one.total.high
    assert found.words == ""


def test_crashes_are_averaged_out_and_the_indices_are_the_same_each_time() -> None:
    frame, sweep = ishigami()
    assert sobol(frame, sweep, LOSS) == sobol(frame.sample(fraction=1, shuffle=True, seed=1), sweep, LOSS)
    one_seed = frame.filter(pl.col("seed") == 0)
    for with_both, with_one in zip(sobol(frame, sweep, LOSS).indices, sobol(one_seed, sweep, LOSS).indices):
        assert with_both.first.value == pytest.approx(with_one.first.value, abs=1e-9)


def test_base_rows_that_are_not_complete_are_left_out_and_told() -> None:
    frame, sweep = ishigami()
    # Of base row 3 one point lacks one crash: the other crash is left. Of base row 9 a point lacks both.
    lost = ((pl.col("point") == 3 * 5 + 1) & (pl.col("seed") == 0)) | (pl.col("point") == 9 * 5)
    broken = frame.with_columns(status=pl.when(lost).then(pl.lit("failed")).otherwise("status"))
    found = sobol(broken, sweep, LOSS)
    assert (found.base, found.words) == (128, "128 of 256 base rows, the others are not complete")
    assert found.indices[0].total.value == pytest.approx(0.5576, abs=0.15)


def test_a_figure_that_never_changes_has_no_indices() -> None:
    frame, sweep = ishigami(8)
    assert sobol(frame, sweep, "shortfall.adl").words == "it is the same in all runs"
    assert sobol(frame.clear(), sweep, LOSS).words == "not enough runs have finished"


def test_other_samples_are_told_what_indices_need() -> None:
    sweep = sweep_of(along("a"), sample={"kind": "random", "points": 8})
    found = sobol(drawn(sweep, lambda a, seed: a), sweep, LOSS)
    assert found.indices == () and 'sample.kind = "saltelli"' in found.words


def test_the_chance_of_deleveraging_has_indices_too() -> None:
    sweep = sweep_of(along("a"), along("b"), seeds=4, sample={"kind": "saltelli", "points": 64})
    frame = drawn(sweep, lambda a, b, seed: a + 0.1 * b + 0.1 * seed)
    assert sobol(frame, sweep, ADL).indices[0].label == "a"
    assert set(of_runs(frame, ADL)) == {0.0, 1.0}
    assert set(FIGURES) >= {LOSS, ADL, "shortfall.adl", "keepers.profit"}


# rank correlations


def crowd() -> tuple[pl.DataFrame, Sweep]:
    """The crash matters most by far, then a (up), then the policy, then b (down), c not at all."""
    noise = np.random.default_rng(1).normal(0, 10, 40)

    def loss(a: float, b: float, c: float, policy: str, seed: int) -> float:
        return math.exp(float(noise[seed]) / 5) * math.exp(2 * a - 0.5 * b + 0.8 * (policy == "random"))

    sweep = sweep_of(
        along("a"), along("b"), along("c"), POLICY, seeds=40, sample={"kind": "latin-hypercube", "points": 24}
    )
    return drawn(sweep, loss), sweep


def test_what_matters_most_comes_first_though_crashes_differ_more() -> None:
    frame, _ = crowd()
    found = weights(frame, LOSS)
    assert found[0].label == "a" and {one.label for one in found[1:3]} == {"b", "policy"}
    by_label = {one.label: one for one in found}
    a, b, c, policy = (by_label[label] for label in ("a", "b", "c", "policy"))
    assert a.rank is not None and 0 < a.rank.value < 0.3
    assert a.part.value > 0.8 and a.part.low > 0.7
    assert b.part.value < -0.2 and b.part.high < 0
    assert abs(c.part.value) < 0.2
    assert policy.rank is None and 0 < policy.part.value < 1
    for one in found:
        assert one.part.low <= one.part.value <= one.part.high and one.part.n == 24 * 40


def test_one_crash_alone_is_ranked_as_it_is() -> None:
    sweep = sweep_of(along("a"), seeds=1, sample={"kind": "random", "points": 30})
    (found,) = weights(drawn(sweep, lambda a, seed: a**3), LOSS)
    assert found.rank is not None and found.rank.value == pytest.approx(1.0)
    assert math.isnan(found.rank.low) and found.rank.warning == "only one crash"


def test_few_crashes_are_told() -> None:
    frame, _ = crowd()
    assert all(one.part.warning == "" for one in weights(frame, LOSS))
    few = weights(frame.filter(pl.col("seed") < 3), LOSS)
    assert {one.part.warning for one in few} == {"only 3 crashes"}


def test_what_does_not_vary_has_no_weight() -> None:
    frame, _ = crowd()
    assert weights(frame, "shortfall.adl") == []
    assert weights(frame.filter(pl.col("status") == "failed"), LOSS) == []
    assert {one.label for one in weights(frame.filter(pl.col("vary.policy") == "index"), LOSS)} == {
        "a",
        "b",
        "c",
    }


def test_ranks_do_not_mind_the_scale() -> None:
    frame, _ = crowd()
    scaled = frame.with_columns(pl.col(LOSS).log(), pl.col("vary.a") ** 3)
    for one, other in zip(weights(frame, LOSS), weights(scaled, LOSS)):
        assert one.label == other.label and one.part.value == pytest.approx(other.part.value)

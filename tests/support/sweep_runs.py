"""Made-up sweep folders: the rows of a crash whose loss is known, without running anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from perpsim.sweeps.design import Design
from perpsim.sweeps.figures import FIGURES
from perpsim.sweeps.model import Sweep
from perpsim.sweeps.store import SweepFolder

#: how unevenly each policy spreads a burden
GINI = {"queue-bitmex": 0.85, "pro-rata": 0.35, "capped-pro-rata": 0.3, "random": 0.7}
MARGIN, DEPTH, FUND, POLICY = "maintenance", "depth", "fund", "policy"

FUND_RANGE = {"key": "fund.initial", "label": FUND, "low": 10_000, "high": 160_000, "scale": "log"}
DEPTH_RANGE = {"key": "agents.makers.0.depth", "label": DEPTH, "low": 20_000.0, "high": 80_000.0}
MARGIN_RANGE = {
    "key": "markets.0.tiers.0.maintenance", "label": MARGIN, "low": 0.003, "high": 0.009, "scale": "log"
}  # fmt: skip
POLICIES = {"key": "markets.0.adl", "label": POLICY, "values": list(GINI)}


def a_sweep(vary: Sequence[Mapping[str, Any]] = (), seeds: int = 100, **keys: Any) -> Sweep:
    """A sweep over the smoke scenario, seeds from 1 on."""
    about = {"name": "made-up", "title": "How large must the <fund> be?", "scenario": "smoke"}
    return Sweep.model_validate({**about, "vary": list(vary), "seeds": seeds, "first_seed": 1, **keys})


def loss(seed: int) -> float:
    """The loss beyond margins of a crash, before what varies has its effect."""
    return float(np.random.default_rng(seed).lognormal(10.0, 0.8))


def run_row(design: Design, point: int, seed: int) -> dict[str, Any]:
    """A run: the fund pays what it has, deleveraging the rest."""
    values = design.values(point)
    fund = float(values.get(FUND, design.base.fund.initial))
    lost = loss(seed) * (40_000.0 / float(values.get(DEPTH, 40_000.0))) ** 0.7
    lost *= (0.005 / float(values.get(MARGIN, 0.005))) ** 0.4
    lost = lost if seed % 10 else 0.0
    paid, taken = min(fund, lost), max(lost - fund, 0.0)
    rng = np.random.default_rng([seed, 7])
    gini = GINI.get(str(values.get(POLICY)), 0.6) + 0.06 * float(rng.standard_normal())
    over = taken * (1.0 - GINI.get(str(values.get(POLICY)), 0.6)) * float(rng.random())
    figures = {
        "fund.start": fund,
        "fund.end": fund - paid,
        "fund.min": fund - paid,
        "fund.need": lost,
        "fund.enough": float(taken == 0),
        "fund.exhausted": float(taken > 0),
        "fund.cover2": 30_000.0 + 5_000.0 * float(rng.random()),
        "liquidations.count": 60.0,
        "liquidations.notional": 10 * lost + 50_000.0,
        "shortfall.total": lost,
        "shortfall.paid_by_fund": paid,
        "shortfall.adl": taken,
        "adl.count": 3.0 if taken else 0.0,
        "adl.accounts": float(round(8 * gini)) if taken else 0.0,
        "adl.overshoot": over,
        "adl.gini": gini if taken else None,
        "adl.top_share": min(gini + 0.1, 1.0) if taken else None,
        "keepers.profit": 80.0 + 30.0 * float(rng.standard_normal()),
        "keepers.reward": 90.0,
        "keepers.gas_cost": 10.0,
        "keepers.won": 60.0,
        "keepers.underwater_seconds": 200.0 + 50.0 * float(rng.random()),
    }
    about = {"point": point, "seed": seed, "status": "ok", "reason": "", "attempts": 1}
    missing = {one.name: None if one.name.startswith("adl.") else 0.0 for one in FIGURES}
    varied = {f"vary.{label}": value for label, value in values.items()}
    digest = f"{point:032x}{seed:032x}"
    return about | varied | missing | figures | {"key": digest, "digest": digest, "seconds": 1.25}


def made_up(
    path: Path, sweep: Sweep, runs: int | None = None, failures: Mapping[int, tuple[str, str]] | None = None
) -> Path:
    """A folder with the first `runs` runs (default: all). `failures`: of numbered runs, status and reason."""
    design = Design(sweep)
    folder = SweepFolder.take(path, design)
    places = [(point, seed) for seed in design.seeds for point in range(design.points)][:runs]
    rows = [run_row(design, point, seed) for point, seed in places]
    for number, (status, reason) in (failures or {}).items():
        figures = dict.fromkeys(one.name for one in FIGURES)
        rows[number] |= figures | {"status": status, "reason": reason, "digest": "", "seconds": 0.0}
    part = path / "rows" / "00"
    part.mkdir(parents=True)
    pl.DataFrame(rows, schema=folder.schema, orient="row").write_parquet(part / "part-0.parquet")
    return path

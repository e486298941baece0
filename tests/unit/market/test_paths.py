"""From price tables to paths: knots, candle files, shocks, and what is refused."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from price_worlds import paths, scenario

from perpsim.errors import UserError
from perpsim.market.candles import read_candles
from perpsim.market.correlation import correlation_matrix, factor
from perpsim.market.paths import sample_paths
from perpsim.market.prices import CandlePath, knots_to_candles
from perpsim.scenarios.loading import load_scenario, validate

#: the small scenario begins then
START = 1_704_067_200
ROWS = [[100.0, 110.0, 90.0, 105.0], [104.0, 120.0, 100.0, 101.0]]
KNOTS: dict[str, Any] = {"kind": "knots", "interval": 3600, "knots": ROWS}
GBM: dict[str, Any] = {"kind": "gbm", "start": 100.0, "volatility": 0.8}


def test_the_first_market_walks_its_knots_as_it_always_did() -> None:
    """What black-thursday-2020 rests on: bridges drawn from the seed of prices itself."""
    made = scenario(KNOTS, GBM, blocks=600)
    candles = knots_to_candles(ROWS, START, 3600)
    for seed in (np.random.SeedSequence(7), np.random.SeedSequence(7).spawn(2)[0]):
        before = CandlePath(candles).sample(np.random.default_rng(seed), START, 600, 12)
        assert np.array_equal(sample_paths(made, seed)[0], before)


def test_the_same_knots_in_another_market_are_walked_in_another_way() -> None:
    first, second, third = paths(KNOTS, KNOTS, KNOTS, blocks=600)
    for path in (first, second, third):
        assert (path[0], path.max(), path[-1]) == (100, 120, 101)
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)
    assert np.array_equal(paths(GBM, KNOTS, blocks=600)[1], second)


class TestCandleFiles:
    """A file beside the scenario."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        rows = [f"{START + 60 * i},{100 + i},{101 + i},{99 + i},{100 + i}" for i in range(10)]
        (tmp_path / "btc.csv").write_text("\n".join(rows))
        text = (resources.files("perpsim") / "scenarios" / "smoke.toml").read_text(encoding="utf-8")
        head, _, rest = text.partition("[prices]")
        tail = rest[rest.index("[traders]") :]
        prices = '[prices]\nkind = "candles"\nfile = "btc.csv"\n\n'
        (tmp_path / "mine.toml").write_text(head.replace("blocks = 200", "blocks = 50") + prices + tail)
        return tmp_path

    def test_it_is_found_beside_the_scenario_and_walked(self, folder: Path) -> None:
        made = load_scenario(str(folder / "mine.toml"))
        (path,) = sample_paths(made, np.random.SeedSequence(1))
        assert path[::5].tolist() == [100.0 + i for i in range(10)]
        given = sample_paths(made, np.random.SeedSequence(1), {0: read_candles(folder / "btc.csv")})
        assert np.array_equal(given[0], path)

    def test_an_override_is_relative_to_the_current_folder(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "here").mkdir()
        (folder / "btc.csv").rename(folder / "here" / "other.csv")
        monkeypatch.chdir(folder / "here")
        made = load_scenario(str(folder / "mine.toml"), ["prices.file=other.csv"])
        assert sample_paths(made, np.random.SeedSequence(1)).shape == (1, 50)

    def test_a_missing_file_is_named_when_the_run_starts(self, folder: Path) -> None:
        made = load_scenario(str(folder / "mine.toml"), ["prices.file=none.csv"])
        with pytest.raises(UserError, match=r"candle file none\.csv: no such file"):
            sample_paths(made, np.random.SeedSequence(1))

    def test_a_file_that_is_too_short_says_what_it_covers(self, folder: Path) -> None:
        made = load_scenario(str(folder / "mine.toml"), ["clock.blocks=51"])
        with pytest.raises(UserError, match=r"btc\.csv: cover 2024-01-01T00:00:00Z to .*, the run needs"):
            sample_paths(made, np.random.SeedSequence(1))


class TestShocks:
    """What if: moves laid over a path."""

    def factors(self, *shocks: dict[str, Any], blocks: int = 40) -> np.ndarray:
        shocked, plain = (paths({**GBM, "shocks": list(laid)}, blocks=blocks)[0] for laid in (shocks, []))
        return np.asarray(shocked / plain)

    def test_a_sudden_fall_is_there_in_its_block_and_stays(self) -> None:
        factors = self.factors({"block": 10, "change": -0.3})
        assert factors == pytest.approx(np.r_[np.ones(10), np.full(30, 0.7)])

    def test_a_slow_one_takes_even_steps_and_ends_in_its_last_block(self) -> None:
        factors = self.factors({"block": 10, "change": -0.3, "blocks": 5})
        assert factors[9] == pytest.approx(1)
        assert np.diff(np.log(factors[9:15])) == pytest.approx(np.full(5, np.log(0.7) / 5))
        assert factors[14:] == pytest.approx(np.full(26, 0.7))

    def test_a_pump_holds_and_comes_back_by_its_share(self) -> None:
        pump = {"block": 5, "change": 3.0, "blocks": 2, "hold": 4, "recovery": 0.5, "recovery_blocks": 3}
        factors = self.factors(pump)
        assert factors[:5] == pytest.approx(np.ones(5))
        assert factors[5:7] == pytest.approx([2, 4])
        assert factors[7:11] == pytest.approx(np.full(4, 4))
        assert factors[11:14] == pytest.approx(4 * 0.5 ** (np.arange(1, 4) / 3))
        assert factors[14:] == pytest.approx(np.full(26, 2))

    def test_several_multiply_and_a_late_one_never_comes(self) -> None:
        factors = self.factors(
            {"block": 3, "change": -0.5}, {"block": 6, "change": 1.0}, {"block": 400, "change": 5.0}
        )
        assert factors == pytest.approx(np.r_[np.ones(3), np.full(3, 0.5), np.ones(34)])

    def test_they_lie_over_tables_too_and_a_short_run_sees_the_first(self) -> None:
        shocked = {**KNOTS, "shocks": [{"block": 100, "change": -0.25, "blocks": 10}]}
        path, plain = paths(shocked, blocks=300)[0], paths(KNOTS, blocks=300)[0]
        assert np.array_equal(path[:100], plain[:100])
        assert path[110:] == pytest.approx(0.75 * plain[110:])
        assert np.array_equal(paths(shocked, blocks=105)[0], path[:105])


def mistake(change: Any, *prices: dict[str, Any]) -> str:
    """What is said of a scenario after `change` was made to its table."""
    table = scenario(*prices).model_dump()
    change(table)
    with pytest.raises(UserError) as caught:
        validate(table)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (
            [[1.0, 0.5], [0.4, 1.0]],
            "correlation: must be symmetric: row 1, column 0 is 0.4, the other way 0.5",
        ),
        ([[1.0, 0.5], [0.5, 0.9]], "correlation: row 1: a market's correlation with itself is 1, not 0.9"),
        ([[1.0, 1.5], [1.5, 1.0]], "correlation: row 1, column 0: must lie between -1 and 1, not 1.5"),
        ([[1.0]], "correlation: must have a row and a column for each of 2 markets, not 1"),
        ([[1.0, 0.5], [0.5]], "correlation: must be square: 2 rows of 2 numbers"),
        (
            [[1.0, "x"], [0.5, 1.0]],
            "correlation: must be a number for all pairs, or a list of lists of numbers",
        ),
        ([1.0, 0.5], "correlation: must be a number for all pairs, or a list of lists of numbers"),
        ("much", "correlation: must be a number for all pairs, or a list of lists of numbers"),
        (True, "correlation: must be a number for all pairs, or a list of lists of numbers"),
        (1.5, "correlation: row 1, column 0: must lie between -1 and 1, not 1.5"),
        (float("nan"), "correlation"),
    ],
)
def test_a_matrix_that_is_none_is_refused(matrix: Any, message: str) -> None:
    assert message in mistake(lambda table: table.update(correlation=matrix), GBM, GBM)


def test_markets_that_cannot_move_so_are_refused() -> None:
    # Each of three against both others: at most -1/2.
    said = mistake(lambda table: table.update(correlation=-0.6), GBM, GBM, GBM)
    assert "correlation: not positive semi-definite (an eigenvalue is -0.2)" in said
    scenario(GBM, GBM, GBM, correlation=-0.5)


def test_nothing_is_correlated_with_a_table() -> None:
    said = mistake(lambda table: table.update(correlation=[[1.0, 0.5], [0.5, 1.0]]), GBM, KNOTS)
    assert "row 1, column 0: market 1 follows a table of prices" in said
    said = mistake(lambda table: table.update(correlation=[[1.0, 0.5], [0.5, 1.0]]), KNOTS, GBM)
    assert "row 1, column 0: market 0 follows a table of prices" in said


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_the_factor_gives_the_matrix_back_singular_or_not(count: int) -> None:
    loadings = np.random.default_rng(count).standard_normal((count, 3))
    covariance = loadings @ loadings.T
    scale = np.sqrt(np.diag(covariance))
    matrix = (covariance / scale).T / scale
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 1)
    full = correlation_matrix(matrix.tolist(), [True] * count)
    lower = factor(full)
    assert np.allclose(lower @ lower.T, full, atol=1e-7)
    assert np.array_equal(lower, np.tril(lower))


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        ({"kind": "magic"}, "prices.kind: must be one of 'knots', 'candles', 'gbm', "),
        ({"start": 5.0}, "prices.kind: is missing"),
        ({"kind": "gbm", "start": 5.0}, "prices.volatility: is missing"),
        ({**GBM, "volatilty": 1.0}, "prices.volatilty: unknown key (did you mean volatility?)"),
        ({**GBM, "volatility": -1.0}, "prices.volatility: "),
        ({**GBM, "tails": 2.0}, "prices.tails: "),
        ({**GBM, "start": 0.0}, "prices.start: "),
        ({**GBM, "kind": "hawkes", "intensity": 10.0, "branching": 1.0}, "prices.branching: "),
        ({**GBM, "kind": "jumps", "intensity": 0.0}, "prices.intensity: "),
        ({**GBM, "kind": "heston", "reversion": 50.0, "vol_of_vol": 1.0, "rho": -2.0}, "prices.rho: "),
        ({**GBM, "shocks": [{"block": 1, "change": -1.0}]}, "prices.shocks.0.change: "),
        ({**GBM, "shocks": [{"block": 1, "change": 1.0, "holt": 1}]}, "prices.shocks.0.holt: unknown key"),
        ({"kind": "candles"}, "prices.file: is missing"),
        ({"kind": "candles", "file": ""}, "prices.file: "),
        ({"kind": "knots", "knots": [[1.0, 2.0, 1.0]]}, "prices.knots.0: "),
        ({"kind": "knots", "knots": [[1.0, 2.0, 1.0, -1.0]]}, "prices.knots.0.3: "),
        ({"kind": "knots", "knots": []}, "prices.knots: "),
        ([GBM, {**GBM, "volatility": "high"}], "prices.1.volatility: "),
        ([], "prices: "),
        (3, "prices: "),
    ],
)  # fmt: skip
def test_a_mistake_is_named_where_the_file_has_it(prices: Any, message: str) -> None:
    assert message in mistake(lambda table: table.update(prices=prices), GBM)


def test_each_market_needs_a_table_of_prices() -> None:
    said = mistake(lambda table: table["prices"].pop(), GBM, GBM)
    assert "1 tables of prices for 2 markets: one each" in said


def test_prices_may_be_written_as_one_table_or_several() -> None:
    text = """
        [[prices]]
        kind = "gbm"
        start = 8000
        volatility = 0.8

        [[prices]]
        kind = "hawkes"
        start = 200
        volatility = 0.5
        intensity = 500
        branching = 0.7
        shocks = [{ block = 3, change = -0.5 }]
    """
    table = scenario(GBM, GBM).model_dump()
    table["prices"] = tomllib.loads(text)["prices"]
    assert [source.kind for source in validate(table).prices] == ["gbm", "hawkes"]
    assert validate(validate(table).model_dump()) == validate(table)

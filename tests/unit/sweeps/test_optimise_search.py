"""The search for parameters, on formulas instead of an exchange."""

from __future__ import annotations

from typing import Any

import pytest
from support.optimise_world import FUND, KEEPERS, MARGIN, POLICY, Formulas, sweep_of

from perpsim.errors import UserError
from perpsim.sweeps.optimise import GIVE_UP, Search, Watcher
from perpsim.sweeps.optimum import Optimum, Trial


def noisy(values: dict[str, Any], seed: int) -> dict[str, float]:
    """Deleveraging in a share of the seeds that falls from 1 to 0 as the fund grows to 50,000."""
    return {"adl__count": float(seed % 20 < 20 * (1 - values["fund"] / 50_000))}


def found(search: Search, formula: Any, **options: Any) -> tuple[Optimum, Formulas]:
    evaluate = Formulas(search, formula, **options)
    return search.run(evaluate), evaluate


def told(trials: list[Trial]) -> list[Any]:
    return [(trial.number, trial.values, trial.scores, trial.violations, trial.runs) for trial in trials]


def test_the_least_of_a_smooth_function_is_found() -> None:
    def bowl(values: dict[str, Any], seed: int) -> dict[str, float]:
        far = (values["margin"] - 0.004) / 0.009
        return {"shortfall__total": 100 * (far**2 + (values["lag"] - 6) ** 2 / 81) + seed % 3}

    search = Search(sweep_of(MARGIN, KEEPERS, minimise="mean(shortfall.total)", trials=80, holdout=0))
    optimum, _ = found(search, bowl)
    best = optimum.trials[optimum.front[0]]
    assert best.values["margin"] == pytest.approx(0.004, abs=0.0008)
    assert best.values["lag"] in (5, 6, 7)
    assert best.scores[0] == min(trial.scores[0] for trial in optimum.trials)


def test_the_least_fund_that_holds_the_constraint_is_found() -> None:
    search = Search(sweep_of(FUND, minimise="fund", constraints="p(adl) <= 5 %", trials=60))
    optimum, _ = found(search, noisy)
    best = optimum.trials[optimum.front[0]]
    assert 47_500 <= best.values["fund"] < 55_000  # type: ignore[operator]
    assert all(trial.values["fund"] >= 47_500 for trial in optimum.trials if trial.feasible)  # type: ignore[operator]
    assert {trial.feasible for trial in optimum.trials} == {True, False}


def test_a_list_is_chosen_from_and_the_most_is_found() -> None:
    def kept(values: dict[str, Any], seed: int) -> dict[str, float]:
        return {"fund__end": {"index": 1.0, "queue-bitmex": 2.0, "pro-rata": 5.0}[values["policy"]]}

    search = Search(sweep_of(POLICY, maximise="mean(fund.end)", trials=12))
    optimum, _ = found(search, kept)
    assert optimum.trials[optimum.front[0]].values == {"policy": "pro-rata"}


def front_of_two(**options: Any) -> Search:
    asked: dict[str, Any] = {"minimise": ["fund"], "maximise": "mean(keepers.profit)", "trials": 50} | options
    return Search(sweep_of(FUND, MARGIN, **asked))


def profit(values: dict[str, Any], seed: int) -> dict[str, float]:
    """Grows with the fund and falls with the margin, so that the front is where the margin is least."""
    return {"keepers__profit": values["fund"] / 1_000 - 2_000 * values["margin"], "adl__count": 0.0}


def test_the_front_is_what_nothing_dominates() -> None:
    optimum, _ = found(front_of_two(), profit)
    front = [optimum.trials[number] for number in optimum.front]
    assert len(front) > 4
    for one in front:
        assert not any(optimum.goal.dominates(other.scores, one.scores) for other in optimum.trials)
    for other in optimum.trials:
        if other.number not in optimum.front:
            assert any(
                optimum.goal.dominates(one.scores, other.scores) or one.scores == other.scores
                for one in front
            )
    assert [one.scores[0] for one in front] == sorted(one.scores[0] for one in front)


def test_the_front_holds_the_constraints() -> None:
    optimum, _ = found(front_of_two(constraints=["mean(keepers.profit) >= 20"]), profit)
    assert optimum.front
    assert all(optimum.trials[number].scores[1] >= 20 for number in optimum.front)


@pytest.mark.parametrize("together", [1, 4])
def test_the_same_seed_gives_the_same_trials_in_whatever_order_runs_end(together: int) -> None:
    options: dict[str, Any] = {"constraints": "p(adl) <= 10 %", "trials": 30, "together": together}
    sweep = sweep_of(FUND, MARGIN, minimise="fund", **options)
    alone, one_by_one = found(Search(sweep), noisy)
    crowd, evaluate = found(Search(sweep), noisy, ahead=7)
    assert told(alone.trials) == told(crowd.trials)
    assert told(list(alone.fresh.values())) == told(list(crowd.fresh.values()))
    assert any(trial.stopped for trial in alone.trials)
    # With one run at a time none is in vain; what is out when a trial is stopped may be.
    used = sum(trial.runs for trial in (*alone.trials, *alone.fresh.values()))
    assert one_by_one.computed == used <= evaluate.computed < 31 * 20
    other, _ = found(Search(sweep_of(FUND, MARGIN, minimise="fund", seed=1, **options)), noisy)
    assert told(other.trials) != told(alone.trials)


def test_an_interrupted_search_goes_on_where_it_was() -> None:
    sweep = sweep_of(FUND, minimise="fund", constraints="p(adl) <= 10 %", trials=25)
    whole, all_of_it = found(Search(sweep), noisy)
    search = Search(sweep)
    part, evaluate = found(search, noisy, patience=150)
    assert not part.complete and 0 < len(part.trials) < 25
    assert told(part.trials) == told(whole.trials[: len(part.trials)])
    again = Search(sweep)
    evaluate.search, evaluate.patience = again, 10**9
    assert told(again.run(evaluate).trials) == told(whole.trials)
    assert evaluate.computed == all_of_it.computed


def test_more_trials_begin_with_the_same_ones() -> None:
    sweep = sweep_of(FUND, minimise="fund", constraints="p(adl) <= 10 %", trials=15)
    few, _ = found(Search(sweep), noisy)
    many, _ = found(Search(sweep, trials=22), noisy)
    assert told(many.trials[:15]) == told(few.trials)
    assert len(many.trials) == 22


def test_hopeless_trials_are_stopped_and_nothing_else_changes() -> None:
    asked: dict[str, Any] = {"minimise": "fund", "constraints": "p(adl) <= 10 %", "trials": 10}
    stopping, _ = found(Search(sweep_of(FUND, **asked)), noisy)
    patient, _ = found(Search(sweep_of(FUND, **asked, stop_early=False)), noisy)
    # Drawn at random at first, so the trials are the same.
    for one, other in zip(stopping.trials, patient.trials):
        assert one.values == other.values
        assert one.feasible == other.feasible
        assert other.runs == 20
        if one.stopped:
            assert one.runs < 20 and not other.feasible
    assert any(one.stopped for one in stopping.trials)


def test_the_best_is_run_again_on_seeds_that_did_not_choose_it() -> None:
    seen: set[int] = set()

    def lucky(values: dict[str, Any], seed: int) -> dict[str, float]:
        seen.add(seed)
        return {"adl__count": float(seed > 20)}

    search = Search(sweep_of(FUND, minimise="fund", constraints="p(adl) <= 10 %", trials=5, holdout=8))
    optimum, _ = found(search, lucky)
    assert seen == set(range(1, 29))
    (number,) = optimum.front
    chosen, fresh = optimum.trials[number], optimum.fresh[number]
    assert chosen.feasible and chosen.runs == 20
    assert not fresh.feasible and fresh.runs == 8
    assert fresh.values == chosen.values
    assert fresh.constraints[0] is not None and fresh.constraints[0].value == 1


def test_points_that_are_no_scenario_are_refused_and_counted() -> None:
    wide = MARGIN | {"low": 0.5, "high": 2.0}
    search = Search(sweep_of(wide, minimise="margin", trials=30))
    optimum, _ = found(search, lambda values, seed: {})
    refused = [trial for trial in optimum.trials if trial.refused]
    assert 0 < len(refused) < 30
    assert all(trial.values["margin"] > 1 and trial.runs == 0 for trial in refused)  # type: ignore[operator]
    assert "markets.0.tiers.0.maintenance" in refused[0].refused
    assert optimum.front and optimum.front[0] not in [trial.number for trial in refused]
    # The sampler learns where there is nothing to be had.
    assert sum(trial.number >= 15 for trial in refused) < sum(trial.number < 15 for trial in refused)


def test_a_point_whose_runs_all_fail_alike_is_given_up() -> None:
    def refusing(values: dict[str, Any], seed: int) -> dict[str, Any]:
        if values["fund"] < 10_000:
            return {"status": "failed", "reason": "the exchange refuses it: too little"}
        return {"status": "failed" if seed == 2 else "ok", "reason": "killed" if seed == 2 else ""}

    optimum, _ = found(Search(sweep_of(FUND, minimise="fund", trials=20)), refusing)
    for trial in optimum.trials:
        if trial.values["fund"] < 10_000:  # type: ignore[operator]
            assert (trial.runs, trial.refused) == (GIVE_UP, "the exchange refuses it: too little")
        else:
            assert (trial.runs, trial.failed, trial.refused) == (20, 1, "")
    assert optimum.trials[optimum.front[0]].values["fund"] >= 10_000  # type: ignore[operator]


def test_without_a_feasible_trial_the_nearest_is_known() -> None:
    search = Search(
        sweep_of(FUND | {"high": 20_000.0}, minimise="fund", constraints="p(adl) <= 10 %", trials=15)
    )
    optimum, _ = found(search, noisy)
    assert optimum.front == [] and optimum.fresh == {}
    nearest = optimum.nearest
    assert nearest is not None
    assert nearest.violation == min(trial.violation for trial in optimum.trials)


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        (
            {"key": "fund.inital", "low": 1.0, "high": 2.0},
            r"vary.0 \(fund.inital\): no value .*fund.inital: unknown key",
        ),
        ({"key": "fund.initial", "low": -2.0, "high": -1.0}, "no value of it is a scenario"),
        (KEEPERS | {"low": 1.2, "high": 1.8}, "no whole number lies between 1.2 and 1.8"),
    ],
)
def test_what_cannot_vary_is_told_before_anything_runs(vary: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Search(sweep_of(vary, minimise="p(adl)"))


def test_who_watches_is_told_of_trials_and_of_the_runs_on_fresh_seeds() -> None:
    class Noting(Watcher):
        trials: list[tuple[int, int]] = []
        fresh: list[int] = []

        def trial_done(self, trials: int, feasible: int) -> None:
            self.trials.append((trials, feasible))

        def confirming(self, runs: int) -> None:
            self.fresh.append(runs)

    search = Search(sweep_of(FUND, minimise="fund", constraints="p(adl) <= 10 %", trials=12, holdout=7))
    watcher = Noting()
    optimum = search.run(Formulas(search, noisy), watcher)
    feasible = [sum(trial.feasible for trial in optimum.trials[:count]) for count in range(1, 13)]
    assert watcher.trials == list(zip(range(1, 13), feasible))
    assert watcher.fresh == [7]

"""All policies on one state: that it is the one before a deleveraging, and each does what it promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from perpsim.errors import UserError
from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.burden import Outcome
from perpsim.simulation.command import build
from perpsim.simulation.comparison import ALL_POLICIES, Moment, compare, find_moment
from perpsim.simulation.runner import Simulation

Make = Callable[..., Simulation]

#: a crash that has emptied the fund when the first of several has to be deleveraged
POOR = ("seed=20", "fund.initial=500", "markets.0.adl=index")


@pytest.fixture(scope="module")
def found() -> tuple[Simulation, Moment, dict[str, Outcome]]:
    simulation = build(load_scenario("smoke", POOR))
    moment = find_moment(simulation)
    assert moment is not None
    outcomes = compare(simulation, moment)
    assert outcomes is not None
    return simulation, moment, {one.policy: one for one in outcomes}


def test_the_moment_is_the_one_before_the_first_deleveraging_of_the_same_run(smoke: Make) -> None:
    stopped = smoke(*POOR)
    moment = find_moment(stopped)
    assert moment is not None
    running = smoke(*POOR)
    while running.next_block <= moment.block:
        running.step()
    assert not running.ledger.adl
    assert running.log.digest.hexdigest() == stopped.log.digest.hexdigest()
    running.step()
    assert {row["account"] for row in running.ledger.adl} <= {one.account for one in moment.bankrupt}
    assert running.ledger.adl


def test_those_at_stake_are_bankrupt_and_the_largest_comes_first(
    found: tuple[Simulation, Moment, dict[str, Outcome]],
) -> None:
    simulation, moment, _ = found
    assert len(moment.bankrupt) > 1
    sizes = [one.notional for one in moment.bankrupt]
    assert sizes == sorted(sizes, reverse=True)
    for one in moment.bankrupt:
        equity = simulation.protocol.clearinghouse.view("health", one.account)[0]
        assert equity / 10**18 == pytest.approx(-one.deficit, abs=0.01)
        assert one.deficit > moment.fund


def test_every_policy_takes_what_is_needed_and_no_more(
    found: tuple[Simulation, Moment, dict[str, Outcome]],
) -> None:
    _, moment, outcomes = found
    assert tuple(outcomes) == ALL_POLICIES
    owed = sum(one.deficit for one in moment.bankrupt)
    for one in outcomes.values():
        assert one.deleveragings == len(moment.bankrupt)
        assert one.needed == pytest.approx(owed, rel=1e-3)
        assert one.overshoot == pytest.approx(0, abs=1e-6)
        assert one.burden.sum() == pytest.approx(one.taken)
        assert one.pushed_under == 0
        assert one.verdict is True


def test_the_policies_differ_as_their_names_say(found: tuple[Simulation, Moment, dict[str, Outcome]]) -> None:
    _, moment, outcomes = found
    winners = int((moment.profits > 0).sum())
    queue, index, capped = outcomes["queue-bitmex"], outcomes["index"], outcomes["capped-pro-rata"]
    assert queue.touched < index.touched
    assert index.by_index == 1.0
    assert all(one.by_index == 0 for name, one in outcomes.items() if name != "index")
    for even in ("pro-rata", "capped-pro-rata", "socialise"):
        assert outcomes[even].touched >= winners
    # Of all who share the same sum the cap has the smallest largest part, and the least uneven ones.
    assert capped.largest == min(one.largest for one in outcomes.values())
    assert capped.gini == min(one.gini for one in outcomes.values() if one.gini is not None)
    shares = [one.largest_share for one in outcomes.values() if one.largest_share is not None]
    assert outcomes["pro-rata"].largest_share == pytest.approx(min(shares), rel=0.2)
    # Nobody is closed where winners are charged.
    assert outcomes["socialise"].profit_closed == 0
    assert outcomes["socialise"].survival == 1
    assert index.gas < queue.gas


def test_the_state_is_left_as_it_was_found(found: tuple[Simulation, Moment, dict[str, Outcome]]) -> None:
    simulation, moment, outcomes = found
    again = compare(simulation, moment)
    assert again is not None
    for one in again:
        first = outcomes[one.policy]
        assert (one.burden == first.burden).all()
        assert replace(one, burden=first.burden) == first
    simulation.invariants.check(moment.block, moment.time, everyone=True)


def test_a_run_without_a_deleveraging_says_how_to_get_one(smoke: Make) -> None:
    simulation = smoke("markets.0.adl=index", "clock.blocks=110")
    with pytest.raises(UserError, match=r"in 110 blocks of smoke: .*--set fund\.initial=\d+"):
        find_moment(simulation)
    calm = smoke("markets.0.adl=index", "clock.blocks=5")
    with pytest.raises(UserError, match="try a steeper crash"):
        find_moment(calm)


def test_both_halves_can_be_stopped(smoke: Make) -> None:
    simulation = smoke(*POOR)
    assert find_moment(simulation, should_stop=lambda: simulation.next_block >= 10) is None
    assert simulation.next_block == 10
    moment = find_moment(simulation)
    assert moment is not None
    steps: list[int] = []
    stopped = compare(simulation, moment, lambda done, _: steps.append(done), lambda: len(steps) >= 6)
    assert stopped is None
    assert steps == [1, 2, 3, 4, 5, 6]
    assert len(compare(simulation, moment) or ()) == len(ALL_POLICIES)

"""How keepers hand in a list: whole where it fits into a block, in parts where it does not."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from perpsim.agents.listing import MAX_HANDED, Ask, Part, Place, Whole, steps
from perpsim.deleveraging.packing import MAX_IDS
from perpsim.deleveraging.policies import POLICIES, Case, Row
from perpsim.deleveraging.run import audit_run
from perpsim.simulation.command import Request, execute

QUEUE, PRO_RATA = POLICIES["queue-bitmex"], POLICIES["pro-rata"]
BLOCK = 30_000_000


def case(quantity: int) -> Case:
    return Case(market=0, account=1, mark=10**18, quantity=quantity, haircut=10, is_long=False, seed=0)


def side(count: int, cap: int = 10, weight: int = 0) -> list[Place]:
    """Accounts 2, 3, ... in order, keys falling."""
    return [Place(2 + at, Row(10**6 - at, weight, cap)) for at in range(count)]


def test_a_list_that_fits_is_handed_in_whole() -> None:
    everyone = side(700)
    (found,) = steps(QUEUE, case(25), everyone, [], BLOCK)
    assert isinstance(found, Whole)
    assert found.accounts == [place.account for place in everyone]
    assert 700 * 18_600 < found.gas <= BLOCK


def test_who_holds_positions_elsewhere_is_reckoned_with_more_gas() -> None:
    plain, (there, *others) = side(700), side(700)
    (one,) = steps(QUEUE, case(25), [replace(there, elsewhere=2), *others], [], BLOCK)
    (none,) = steps(QUEUE, case(25), plain, [], BLOCK)
    # two more positions to settle, cold
    assert 20_000 < one.gas - none.gas < 50_000
    everywhere = [replace(place, elsewhere=3) for place in side(1_000)]
    parts = steps(QUEUE, case(25), everywhere, [], BLOCK)
    assert all(isinstance(part, Part) for part in parts)
    assert sum(part.gas for part in parts) <= BLOCK
    (ask,) = steps(PRO_RATA, case(10**9), everywhere[:500], everywhere[:500], BLOCK)
    assert isinstance(ask, Ask)
    assert 0 < ask.count < 500
    assert ask.gas <= BLOCK


def test_nobody_on_the_other_side_is_nothing_to_hand_in() -> None:
    assert steps(QUEUE, case(25), [], [], BLOCK) == []


@pytest.mark.parametrize(("policy", "count"), [(QUEUE, 1_500), (PRO_RATA, 900), (QUEUE, MAX_IDS + 1)])
def test_a_list_too_long_for_a_block_comes_in_parts_until_it_is_complete(policy, count) -> None:
    everyone, blocks = side(count, weight=1), 0
    handed: list[Place] = []
    while True:
        found = steps(policy, case(25), everyone, handed, BLOCK)
        if isinstance(found[0], Ask):
            break
        assert sum(step.gas for step in found) <= BLOCK
        for step in found:
            assert isinstance(step, Part)
            assert len(step.accounts) == len(step.hints) <= MAX_HANDED
            handed += [place for place in everyone if place.account in set(step.accounts)]
        handed.sort()
        blocks += 1
    assert blocks > 1
    assert handed == everyone


def test_each_account_follows_the_one_before_it_wherever_it_belongs() -> None:
    everyone = side(1_600)
    shuffled = everyone.copy()
    random.Random(3).shuffle(shuffled)
    handed = sorted(shuffled[:1_200])
    listed = [place.account for place in handed]
    for step in steps(QUEUE, case(25), everyone, handed, BLOCK):
        assert isinstance(step, Part)
        for account, hint in zip(step.accounts, step.hints):
            assert account not in listed
            at = listed.index(hint) + 1 if hint else 0
            # As the contract inserts it, the list stays in order: by account here.
            listed.insert(at, account)
            assert listed[max(at - 1, 0) : at + 2] == sorted(listed[max(at - 1, 0) : at + 2])
    assert listed == sorted(listed)


def test_equal_keys_go_by_account() -> None:
    same = [Place(account, Row(5, 0, 10)) for account in (9, 3, 7)]
    assert [place.account for place in sorted(same)] == [3, 7, 9]


@pytest.mark.parametrize(("quantity", "count"), [(1, 1), (10, 1), (25, 3), (10_000, 450)])
def test_no_more_of_a_queue_are_asked_than_are_needed(quantity: int, count: int) -> None:
    everyone = side(450)
    (found,) = steps(QUEUE, case(quantity), everyone, everyone, BLOCK)
    assert isinstance(found, Ask)
    assert found.count == count


def test_everyone_in_proportion_is_asked_as_far_as_a_block_reaches() -> None:
    everyone = side(900, cap=10**9, weight=7)
    (found,) = steps(PRO_RATA, case(10**6), everyone, everyone, BLOCK)
    assert isinstance(found, Ask)
    assert 500 < found.count < 900
    assert found.gas <= BLOCK


@pytest.mark.parametrize("rule", ["queue-bitmex", "pro-rata", "capped-pro-rata", "socialise", "random"])
def test_parts_pass_at_the_first_try_and_are_right_when_recomputed(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perpsim.agents.listing.MAX_IDS", 8)
    overrides = (f"markets.0.adl={rule}", "fund.initial=500", "checks.every=1", "clock.blocks=100")
    watched = Watcher()
    request = Request("smoke", out=tmp_path / "run", overrides=overrides)
    result = execute(request, lambda text: None, watched, lambda: False)
    assert not result.violation
    assert not {reason for reason in result.summary["reverts"] if reason.startswith("list: ")}
    events = pl.read_parquet(result.folder / "events.parquet")["event"]
    assert (events == "ListExtended").sum() > 3
    assert (events == "ListEnded").sum() > 3
    audited = audit_run(result.folder)
    assert len(audited.receipts) > 3
    assert audited.failed == 0


class Watcher:
    """A progress display that shows nothing."""

    def start(self, total: int) -> None:
        pass

    def __call__(self, blocks: int, transactions: int) -> None:
        pass

    def finish(self) -> None:
        pass


def test_deposits_that_wait_for_room_do_not_come_between_a_list_and_its_state(tmp_path: Path) -> None:
    overrides = ("fund.initial=500", "traders.count=700", "markets.0.adl=pro-rata", "clock.blocks=90")
    request = Request("smoke", out=tmp_path / "run", overrides=(*overrides, "clock.gas_limit=8000000"))
    result = execute(request, lambda text: None, Watcher(), lambda: False)
    assert result.summary["adl"]["by_list"] > 1
    assert not {reason for reason in result.summary["reverts"] if reason.startswith("list: ")}

"""The audit of whole runs: an honest log is right to the wei, a forged one wrong, whatever was forged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest

from perpsim.deleveraging.packing import pack_rows, unpack_rows
from perpsim.deleveraging.policies import POLICIES

WAD = 10**18
NOBODY = "0x" + "00" * 20
LISTS = tuple(POLICIES)


@pytest.mark.parametrize("policy", ["index", *LISTS])
def test_an_honest_run_is_found_right_in_each_receipt(run_of, forge, policy):
    run = forge(run_of(policy)).audited()
    assert len(run.receipts) >= 10
    assert [receipt.problems for receipt in run.receipts if receipt.problems] == []
    for receipt in run.receipts:
        assert receipt.policy == policy or receipt.by_index == receipt.quantity > 0
        assert receipt.haircut == receipt.shortfall
        assert receipt.bearers or receipt.side
    # one market: the haircut is the account's deficit
    assert all(receipt.deficit == receipt.haircut for receipt in run.receipts if receipt.policy == policy)


def test_small_positions_may_go_by_index(run_of, forge):
    run = forge(run_of("queue-bitmex", "markets.0.liquidation.adl_list_from=10000")).audited()
    assert {receipt.policy for receipt in run.receipts} == {"queue-bitmex", "index"}
    assert run.failed == 0


# forgeries: each changes one thing about one deleveraging


def value(event: Any, name: str, change: Callable[[int], int]) -> None:
    event["args"][name] = str(change(int(event["args"][name])))


def listed(event: Any) -> list[Any]:
    return unpack_rows([int(word) for word in event["args"]["rows"]])


def relist(event: Any, rows: list[Any]) -> None:
    event["args"]["rows"] = [str(word) for word in pack_rows(rows)]


class Case:
    """A receipt in a run, its list and the moves around it."""

    def __init__(self, forgery: Any, receipt: Any) -> None:
        self.forgery, self.receipt = forgery, receipt
        around = list(forgery.around(receipt))
        self.account = int(receipt["args"]["account"])
        lists = [event for event in around if event["event"] == "DeleverageList"]
        self.list = lists[0] if lists else None
        self.rows = listed(self.list) if lists else []
        moved = [event for event in around if event["event"] == "Deleveraged"]
        self.taken = [e for e in moved if e["args"]["account"] != e["args"]["bankrupt"]]
        self.bankrupt = [e for e in moved if e["args"]["account"] == e["args"]["bankrupt"]]
        self.indices = [event for event in around if event["event"] == "IndexMoved"]
        #: where the deleveraging begins
        self.first = [*self.indices, *moved][0]
        self.bearers = [row for row in self.rows if row.taken]


@pytest.fixture
def spoiled(run_of, forge):
    """`spoiled(policy, change)`: the problems of a receipt after `change(case)` was done to its log."""

    def make(policy, change):
        forgery = forge(run_of(policy))
        cases = [Case(forgery, receipt) for receipt in forgery.named("DeleverageReceipt")]
        if policy != "index":
            cases = [case for case in cases if len(case.bearers) >= 2]
        # of lists rather one of which somebody bears nothing
        chosen = next((case for case in cases if len(case.bearers) < len(case.rows)), cases[0])
        change(chosen)
        run = forgery.audited()
        where = chosen.receipt["block"], chosen.account
        (found,) = [r for r in run.receipts if (r.block, r.account) == where]
        assert found.problems and run.failed
        return found.problems

    return make


def test_a_skipped_account_is_named(spoiled):
    def skip(case):
        skipped.append(case.bearers[0].account)
        relist(case.list, [row for row in case.rows if row.account != skipped[0]])
        (move,) = [e for e in case.taken if int(e["args"]["account"]) == skipped[0]]
        case.forgery.remove(move)

    skipped: list[int] = []
    problems = spoiled("queue-bitmex", skip)
    assert f"skipped: account {skipped[0]}" in problems
    assert any(p.startswith(f"account {skipped[0]} was to bear") and "not touched" in p for p in problems)


def test_an_account_that_bore_nothing_may_not_be_skipped_either(spoiled):
    def skip(case):
        skipped.append(case.rows[-1].account)
        assert case.rows[-1].taken == 0
        relist(case.list, case.rows[:-1])

    skipped: list[int] = []
    assert spoiled("queue-bitmex", skip) == (f"skipped: account {skipped[0]}",)


def test_a_wrong_order_is_found(spoiled):
    def swap(case):
        first, second, *others = case.rows
        swapped.extend((first.account, second.account))
        relist(case.list, [second, first, *others])

    swapped: list[int] = []
    (problem,) = spoiled("queue-bitmex", swap)
    assert problem == f"account {swapped[1]} is listed before {swapped[0]}, which comes first"


def test_an_order_that_fits_forged_keys_is_found(spoiled):
    def swap(case):
        first, second, *others = case.rows
        relist(case.list, [second._replace(key=first.key), first._replace(key=second.key), *others])

    problems = spoiled("queue-binance", swap)
    assert "is listed before" in problems[0]
    assert sum(problem.startswith("the key of account") for problem in problems) == 2


@pytest.mark.parametrize("policy", LISTS)
@pytest.mark.parametrize(
    "field, word", [("taken", "what account"), ("haircut", "the haircut of"), ("size", "the size of")]
)
def test_a_wei_more_in_a_row_is_found(spoiled, policy, field, word):
    def change(case):
        row = case.bearers[0]
        at = case.rows.index(row)
        forged = row._replace(**{field: getattr(row, field) + 1})
        relist(case.list, [*case.rows[:at], forged, *case.rows[at + 1 :]])

    (problem,) = spoiled(policy, change)
    assert problem.startswith(word)


@pytest.mark.parametrize(
    "field, word", [("size", "closed for"), ("quote", "paid"), ("account_collateral", "the collateral of")]
)
def test_a_wei_more_in_what_was_done_to_a_counterparty_is_found(spoiled, field, word):
    problems = spoiled("queue-hyperliquid", lambda case: value(case.taken[0], field, lambda x: x + 1))
    assert word in problems[0]


@pytest.mark.parametrize(
    "field, word",
    [
        ("size", "what the account sold"),
        ("quote", "what it received"),
        ("account_collateral", "the collateral of"),
    ],
)
def test_a_wei_more_in_what_was_done_to_the_bankrupt_account_is_found(spoiled, field, word):
    problems = spoiled("random", lambda case: value(case.bankrupt[0], field, lambda x: x + 1))
    assert word in " ".join(problems)


@pytest.mark.parametrize("policy", ["index", "queue-bitmex"])
@pytest.mark.parametrize(
    "field, word",
    [
        ("haircut", "the haircut"),
        ("deficit", "the deficit"),
        ("mark", "the mark"),
        ("bankruptcy_price", "the bankruptcy price"),
        ("quantity", "the quantity"),
        ("by_index", "the quantity by index"),
    ],
)
def test_a_wei_more_in_a_receipt_is_found(spoiled, policy, field, word):
    (problem,) = spoiled(policy, lambda case: value(case.receipt, field, lambda x: x + 1))
    assert problem.startswith(f"{word} is ")


@pytest.mark.parametrize("policy", ["index", "queue-bitmex"])
def test_a_healthy_account_is_found(spoiled, policy):
    def enrich(case):
        case.forgery.insert(
            case.first,
            contract="Clearinghouse",
            event="Deposit",
            args={"account": str(case.account), "amount": "1", "collateral": str(10**7 * WAD)},
        )

    problems = spoiled(policy, enrich)
    assert any("was not bankrupt, its equity was" in problem for problem in problems)


def test_an_account_taken_out_of_turn_is_found(spoiled):
    def take(case):
        spared = next(row for row in case.rows if not row.taken)
        first = case.taken[0]
        case.forgery.insert(first, args={**first["args"], "account": str(spared.account)})
        named.append(spared.account)

    named: list[int] = []
    assert spoiled("queue-bitmex", take) == (f"account {named[0]} was taken, out of turn",)


def test_an_account_listed_twice_and_one_of_the_wrong_side_are_found(spoiled):
    def repeat(case):
        wrong = case.rows[-1]._replace(account=case.account)
        relist(case.list, [case.rows[0], *case.rows, wrong])
        named.extend((case.rows[0].account, case.account))

    named: list[int] = []
    problems = spoiled("queue-bitmex", repeat)
    assert f"account {named[0]} is listed 2 times" in problems
    assert f"account {named[1]} is listed, but has no position on that side" in problems


@pytest.mark.parametrize(
    "field, word", [("a", "a of the side"), ("k", "k of the side"), ("open_interest", "the open interest")]
)
def test_a_side_index_that_moved_wrong_is_found(spoiled, field, word):
    problems = spoiled("index", lambda case: value(case.indices[0], field, lambda x: x + 1))
    assert problems[0].startswith(word)


def test_the_index_of_the_wrong_side_is_found(spoiled):
    problems = spoiled("index", lambda case: value(case.indices[0], "side", lambda x: 1 - x))
    assert "the index of the wrong side moved" in problems


def test_a_side_index_that_did_not_move_is_found(spoiled):
    problems = spoiled("index", lambda case: case.forgery.remove(case.indices[0]))
    assert "the side index moved 0 times, must move once" in problems


def test_a_side_index_that_moved_for_no_reason_is_found(spoiled, run_of, forge):
    def move(case):
        (index,) = forge_index.named("IndexMoved")[:1]
        case.forgery.insert(case.first, event="IndexMoved", args=index["args"])

    forge_index = forge(run_of("index"))
    shutil.rmtree(forge_index.folder)
    problems = spoiled("queue-bitmex", move)
    assert "the side index moved, though nothing was to go by index" in problems


def test_another_policy_than_the_markets_is_found(run_of, forge):
    forgery = forge(run_of("queue-bitmex"))
    (terms,) = forgery.named("DeleverageTermsSet")
    terms["args"]["terms"]["policy"] = NOBODY
    run = forgery.audited()
    assert run.failed == len(run.receipts)
    assert {receipt.problems for receipt in run.receipts} == {
        ("shared out by queue-bitmex, though the market's policy is index",)
    }


def test_going_by_index_where_a_list_is_due_is_found(run_of, forge):
    forgery = forge(run_of("index"))
    policy = "0x" + "11" * 20
    terms = {"market": "0", "terms": {"policy": policy, "timeout": "300", "list_from": "0"}}
    forgery.insert(forgery.events[0], block=-2, contract="Liquidator", event="DeleverageTermsSet", args=terms)
    run = forgery.audited()
    assert {receipt.problems for receipt in run.receipts} == {
        (f"shared out by index, though the market's policy is {policy}",)
    }


def test_a_policy_that_nobody_knows_is_told(run_of, forge):
    forgery = forge(run_of("queue-bitmex"))
    stranger = "0x" + "11" * 20
    for receipt in forgery.named("DeleverageReceipt"):
        receipt["args"]["policy"] = stranger
    run = forgery.audited()
    for receipt in run.receipts:
        assert receipt.problems == (
            f"shared out by {stranger}, though the market's policy is queue-bitmex",
            f"policy {stranger} is none that is known",
        )

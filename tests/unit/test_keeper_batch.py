"""A keeper's contract: several liquidations in one transaction, none of which depends on another."""

from __future__ import annotations

from typing import Any

import pytest
from support import BOTH_SIDES, COMPILER, LONG, Actor, Exchange
from support.distress import DISTRESS, away, fund_vault, positioned
from support.exchange import Sent

from perpsim.chain import Revert
from perpsim.protocol import Contract, deploy_keeper_batch, wad

pytestmark = DISTRESS

GAS_EACH = 2_000_000


class Batch:
    """A keeper with its contract, and accounts with 1 each that a bid of the maker's can take in."""

    def __init__(self, exchange: Exchange, side: int, losers: int = 3) -> None:
        self.exchange = exchange
        self.keeper = exchange.actor("keeper")
        self.contract = deploy_keeper_batch(exchange.protocol, self.keeper.address)
        fund_vault(exchange, 10_000)
        self.losers = [
            positioned(exchange, side, f"loser {number}", size=1, stake=1_000) for number in range(losers)
        ]
        exchange.move(away(side, 700))
        self.maker = exchange.actor("maker", deposit=10**6)
        self.maker.order(side, losers, away(side, 800))

    def send(self, *targets: tuple[int, int, bool], gas_each: int = GAS_EACH) -> Sent:
        """Liquidate these (account, market, whether to deleverage)."""
        return self.keeper.send(self.contract, "liquidate_many", list(targets), gas_each)

    def targets(self, *losers: Actor) -> list[tuple[int, int, bool]]:
        """Calls for some of the losers, by default all."""
        return [(loser.account, 0, False) for loser in losers or self.losers]

    @property
    def account(self) -> int:
        """The contract's account."""
        return int(self.exchange.clearinghouse.view("account_of", self.contract.address))

    @property
    def earned(self) -> int:
        """What lies in it, WAD."""
        return int(self.exchange.clearinghouse.view("collateral", self.account)) if self.account else 0


@pytest.fixture
def batch(exchange: Exchange) -> Batch:
    return Batch(exchange, LONG)


def test_it_knows_whom_it_works_for_and_with(exchange: Exchange, batch: Batch) -> None:
    assert batch.contract.view("owner") == batch.keeper.address
    assert batch.contract.view("clearinghouse") == exchange.clearinghouse.address
    assert batch.contract.view("liquidator") == exchange.liquidator.address


@BOTH_SIDES
def test_everybody_in_a_batch_is_liquidated_and_the_rewards_are_in_its_account(
    exchange: Exchange, side: int
) -> None:
    batch = Batch(exchange, side)
    sent = batch.send(*batch.targets())
    assert sent.value == 0b111
    events = sent.named("Liquidated")
    assert [event.account for event in events] == [loser.account for loser in batch.losers]
    assert {event.keeper for event in events} == {batch.contract.address}
    assert all(loser.size() == 0 for loser in batch.losers)
    assert batch.earned == sum(event.reward for event in events) > 0
    exchange.check_invariants()


def test_a_call_that_is_refused_undoes_nothing_of_the_others(exchange: Exchange, batch: Batch) -> None:
    first, second, third = batch.losers
    second.deposit(5_000)
    nobody, nowhere = (10**6, 0, False), (first.account, 7, True)
    calls = batch.targets(first, second, third)
    sent = batch.send(nobody, calls[0], nowhere, calls[1], calls[0], calls[2])
    # The healthy, those who do not exist, and what is closed already are passed over.
    assert sent.value == 0b100010
    assert [event.account for event in sent.named("Liquidated")] == [first.account, third.account]
    assert second.size() == wad(1)
    exchange.check_invariants()


def test_a_call_that_closes_nothing_does_not_count(exchange: Exchange, batch: Batch) -> None:
    batch.maker.cancel_all()
    exchange.actor("winner").cancel_all()
    sent = batch.send(*batch.targets())
    assert sent.value == 0
    assert len(sent.named("Liquidated")) == 3


def test_it_deleverages_for_whom_it_is_asked_to(exchange: Exchange, batch: Batch) -> None:
    batch.maker.cancel_all()
    exchange.move(away(LONG, 1_200))
    first, second, third = batch.losers
    sent = batch.send((first.account, 0, True), (second.account, 0, False), (third.account, 0, True))
    assert sent.value == 0b101
    assert [loser.size() for loser in batch.losers] == [0, wad(1), 0]
    exchange.check_invariants()


def test_an_empty_batch_does_nothing(batch: Batch) -> None:
    sent = batch.send()
    assert (sent.value, sent.events) == (0, [])


@pytest.mark.parametrize("count", [32, 33])
def test_it_takes_32_targets(batch: Batch, count: int) -> None:
    targets = batch.targets() + [(10**6, 0, False)] * (count - 3)
    if count > 32:
        with pytest.raises(Revert):
            batch.send(*targets)
    else:
        assert batch.send(*targets).value == 0b111


# gas


def test_a_call_uses_no_more_gas_than_it_may(batch: Batch) -> None:
    """One that needs more fails alone, and what it had is all that it cost."""
    little = batch.send(*batch.targets(), gas_each=60_000)
    assert little.value == 0
    assert little.gas < 3 * 60_000 + 60_000
    assert batch.send(*batch.targets()).value == 0b111


def test_what_there_is_no_gas_for_is_left_undone(exchange: Exchange, batch: Batch) -> None:
    data = batch.contract.encode("liquidate_many", batch.targets(), 1_000_000)
    sender, where = batch.keeper.address, batch.contract.address
    whole = exchange.chain.snapshot()
    receipt = exchange.chain.execute(sender, where, data, gas=1_100_000)
    # After the first there is less than a million left: the second is not begun.
    assert receipt.ok
    assert int.from_bytes(receipt.output, "big") == 0b001
    exchange.chain.revert(whole)
    receipt = exchange.chain.execute(sender, where, data, gas=900_000)
    assert receipt.ok
    assert int.from_bytes(receipt.output, "big") == 0
    exchange.check_invariants()


@pytest.mark.parametrize("gas_each", [0, 2**255, 2**256 - 1])
def test_a_senseless_share_of_gas_harms_nobody(batch: Batch, gas_each: int) -> None:
    sent = batch.send(*batch.targets(), gas_each=gas_each)
    assert (sent.value, sent.named("Liquidated")) == (0, [])


# who may what


def test_only_the_owner_sends_batches_and_takes_rewards(exchange: Exchange, batch: Batch) -> None:
    attacker = exchange.actor("attacker", deposit=10)
    batch.send(*batch.targets(batch.losers[0]))
    for function, args in (
        ("liquidate_many", ([], GAS_EACH)),
        ("liquidate_many", (batch.targets(), GAS_EACH)),
        ("withdraw", (1, attacker.address)),
        ("transfer_ownership", (attacker.address,)),
    ):
        with pytest.raises(Revert, match="access: not owner"):
            attacker.send(batch.contract, function, *args)
    # Nor through the clearinghouse: the account is the contract's own.
    with pytest.raises(Revert):
        attacker.withdraw(10 + batch.earned // 10**18)


def test_the_owner_takes_the_rewards_to_wherever_he_wants(exchange: Exchange, batch: Batch) -> None:
    batch.send(*batch.targets())
    units = batch.earned // exchange.unit()
    purse = exchange.actor("purse")
    batch.keeper.send(batch.contract, "withdraw", units - 1, purse.address)
    assert purse.tokens == units - 1
    with pytest.raises(Revert, match="withdraw: "):
        batch.keeper.send(batch.contract, "withdraw", 2, purse.address)
    batch.keeper.send(batch.contract, "withdraw", 1, batch.keeper.address)
    assert batch.keeper.tokens == 1
    exchange.check_invariants()


def test_a_new_owner_has_what_the_old_one_had(exchange: Exchange, batch: Batch) -> None:
    batch.send(*batch.targets(batch.losers[0]))
    successor = exchange.actor("successor")
    batch.keeper.send(batch.contract, "transfer_ownership", successor.address)
    batch.send(*batch.targets(batch.losers[1]))
    successor.send(batch.contract, "accept_ownership")
    with pytest.raises(Revert, match="access: not owner"):
        batch.send(*batch.targets(batch.losers[2]))
    successor.send(batch.contract, "withdraw", batch.earned // exchange.unit(), successor.address)
    assert successor.tokens > 0


# hostile liquidators and tokens


def hostile_batch(exchange: Exchange, liquidator: str, owner: Actor) -> Contract:
    """A batch that was deployed for something else than a liquidator."""
    artifact = COMPILER.load("KeeperBatch")
    args = (exchange.clearinghouse.address, liquidator, owner.address)
    address = exchange.chain.deploy(artifact, *args, sender=owner.address)
    return Contract(exchange.chain, "KeeperBatch", address, artifact.interface)


@pytest.mark.parametrize("kind", ["no code", "answers nothing", "refuses"])
def test_whatever_the_liquidator_is_a_batch_goes_through(exchange: Exchange, kind: str) -> None:
    keeper = exchange.actor("keeper")
    where: dict[str, Any] = {
        "no code": keeper.address,
        "answers nothing": exchange.lens.address,
        "refuses": exchange.vault.address,
    }
    contract = hostile_batch(exchange, where[kind], keeper)
    sent = keeper.send(contract, "liquidate_many", [(1, 0, False)] * 3, GAS_EACH)
    assert sent.value == 0


def test_no_owner_no_batch(exchange: Exchange) -> None:
    with pytest.raises(Revert, match="access: zero owner"):
        deploy_keeper_batch(exchange.protocol, "0x" + "00" * 20)

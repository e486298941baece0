"""Stakers: what they send for what they see of the fund."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from crowd_world import members, rng, views

from perpsim.agents.base import Members
from perpsim.agents.desk import VaultDesk
from perpsim.agents.stakers import FundStakers
from perpsim.chain import Tx
from perpsim.scenarios import Stakers
from perpsim.simulation.runner import Simulation
from perpsim.simulation.vault_table import VaultTable

TOKEN = 10**6
COUNT = 20
COOLDOWN, WINDOW = 3600, 7200
NOBODY, VAULT = "0x" + "00" * 20, "0x" + "ee" * 20


class Fund:
    """A vault whose log is made up, and stakers who look at it."""

    def __init__(self, desk: VaultDesk, sent: Any, **changes: Any) -> None:
        self.books = 10_000 * TOKEN
        self.table = VaultTable(VAULT, TOKEN, lambda: self.books)
        self.handlers = self.table.handlers()
        fields = {
            "count": COUNT,
            "stake_sigma": 0.0,
            "nerve_sigma": 0.0,
            "herd": 0.0,
            "attention_hours": 1e-9,
        }
        config = Stakers.model_validate({**fields, "arrival_blocks": 1, "lag_blocks": 0, **changes})
        self.people: Members = members(COUNT)
        self.stakers = FundStakers(config, desk, self.people, rng(), 12)
        self._sent = sent
        self.block = 0
        self.time = 0

    def asks(self, block: int) -> list[tuple[str, str, tuple[Any, ...]]]:
        """What they send in a block."""
        seen = views(block, vault=self.table)
        self.block, self.time = block, seen[0].time
        self.table.lapse(self.time)
        txs: list[Tx] = self.stakers.update(rng(block), seen)
        found: list[tuple[str, str, tuple[Any, ...]]] = self._sent(txs)
        return found

    def log(self, name: str, **values: Any) -> None:
        self.handlers[name](SimpleNamespace(**values), self.time)

    def join(self) -> None:
        """Everybody gets what he wants to stake."""
        if not self.table.treasury:
            self.log("Transfer", sender=NOBODY, receiver=VAULT, value=self.books * 10**6)
        for sender, name, (assets, receiver) in self.asks(1):
            assert (name, receiver) == ("deposit", sender)
            self.log("Transfer", sender=NOBODY, receiver=receiver, value=assets * 10**6)
            self.log("Deposit", owner=receiver, assets=assets)
            self.books += assets

    def request(self, sent: list[tuple[str, str, tuple[Any, ...]]]) -> None:
        for sender, name, (shares,) in sent:
            assert name == "request_withdraw"
            value, start = self.table.worth(shares), self.time + COOLDOWN
            self.log(
                "WithdrawRequested",
                owner=sender,
                shares=shares,
                value=value,
                claimable_from=start,
                claimable_until=start + WINDOW,
            )


@pytest.fixture
def desk(world: Simulation) -> VaultDesk:
    vault = world.protocol.vault
    return VaultDesk(TOKEN, (vault.address, vault.interface))


def test_they_stake_once_and_then_are_content(desk: VaultDesk, sent: Any) -> None:
    fund = Fund(desk, sent)
    fund.join()
    assert fund.table.quote(fund.table.staked) == pytest.approx(COUNT * Stakers(count=1).stake_median)
    assert [fund.asks(block) for block in (20, 200, 2_000)] == [[], [], []]


def test_a_stake_that_was_refused_is_tried_again(desk: VaultDesk, sent: Any) -> None:
    fund = Fund(desk, sent)
    assert len(fund.asks(1)) == COUNT
    assert fund.asks(2) == []
    assert len(fund.asks(30)) == COUNT


@pytest.mark.parametrize(("fall", "run"), [(0.05, 0), (0.15, COUNT)])
def test_beyond_their_nerve_they_ask_for_all(desk: VaultDesk, sent: Any, fall: float, run: int) -> None:
    fund = Fund(desk, sent, nerve=0.1)
    fund.join()
    assert fund.asks(20) == []
    fund.books = int(fund.books * (1 - fall))
    asked = fund.asks(21)
    assert len(asked) == run
    for sender, name, (shares,) in asked:
        assert name == "request_withdraw"
        assert shares == fund.table.shares[fund.table.holder(sender)]


def test_nerves_differ(desk: VaultDesk, sent: Any) -> None:
    fund = Fund(desk, sent, nerve=0.1, nerve_sigma=0.6)
    fund.join()
    fund.asks(20)
    fund.books = int(fund.books * 0.9)
    weak = {sender for sender, *_ in fund.asks(21)}
    fund.books = int(fund.books * 0.8)
    all_of_them = weak | {sender for sender, *_ in fund.asks(60)}
    assert 0 < len(weak) < len(all_of_them) <= COUNT


def test_those_who_run_take_others_along(desk: VaultDesk, sent: Any) -> None:
    def second_wave(herd: float) -> int:
        fund = Fund(desk, sent, nerve=0.1, nerve_sigma=0.4, herd=herd)
        fund.join()
        fund.asks(20)
        fund.books = int(fund.books * 0.93)
        fund.request(fund.asks(21))
        return len(fund.asks(22))

    assert second_wave(0.0) == 0
    assert second_wave(0.5) > 2


def test_after_the_cooldown_they_claim_and_are_gone(desk: VaultDesk, sent: Any) -> None:
    fund = Fund(desk, sent, nerve=0.1, calm_share=0.0)
    fund.join()
    fund.asks(20)
    fund.books = int(fund.books * 0.8)
    fund.request(fund.asks(21))
    assert fund.asks(22) == fund.asks(21 + COOLDOWN // 12 - 1) == []
    claims = fund.asks(22 + COOLDOWN // 12)
    assert [name for _, name, _ in claims] == ["redeem"] * COUNT
    for sender, _, (shares, receiver, owner) in claims:
        assert sender == receiver == owner
        assert shares == fund.table.redeemable(fund.table.holder(sender), fund.time)
    # Held up, they try again, but not at once; paid, they never come back.
    assert fund.asks(23 + COOLDOWN // 12) == []
    later = fund.asks(40 + COOLDOWN // 12)
    assert len(later) == COUNT
    for sender, _, (shares, *_) in later:
        fund.log("Transfer", sender=sender, receiver=NOBODY, value=shares)
        assets = fund.table.worth(shares)
        fund.log("Withdraw", owner=sender, assets=assets, shares=shares)
        fund.books -= assets
    assert fund.table.staked == 0
    assert fund.asks(60 + COOLDOWN // 12) == fund.asks(5_000) == []


def test_the_calm_let_the_window_lapse(desk: VaultDesk, sent: Any) -> None:
    fund = Fund(desk, sent, nerve=0.1, calm_share=1.0)
    fund.join()
    fund.asks(20)
    before, fund.books = fund.books, int(fund.books * 0.8)
    fund.request(fund.asks(21))
    fund.books = before
    assert [fund.asks(22 + block) for block in range(0, (COOLDOWN + WINDOW) // 12 + 20, 10)].count([]) == 92
    assert [row["kind"] for row in fund.table.rows].count("lapse") == COUNT
    # A second fright finds them ready to ask again.
    fund.books = int(before * 0.7)
    assert len(fund.asks(2_000)) == COUNT


def test_half_a_recovery_does_not_calm_them(desk: VaultDesk, sent: Any) -> None:
    fund = Fund(desk, sent, nerve=0.1, calm_share=1.0)
    fund.join()
    fund.asks(20)
    before, fund.books = fund.books, int(fund.books * 0.8)
    fund.request(fund.asks(21))
    fund.books = int(before * 0.93)
    assert len(fund.asks(22 + COOLDOWN // 12)) == COUNT


def test_what_a_claim_leaves_is_asked_for_again(desk: VaultDesk, sent: Any) -> None:
    fund = Fund(desk, sent, nerve=0.1, calm_share=0.0)
    fund.join()
    fund.asks(20)
    fund.books = int(fund.books * 0.8)
    fund.request(fund.asks(21))
    fund.asks(22)
    for sender, _, (shares, *_) in fund.asks(22 + COOLDOWN // 12):
        assets = fund.table.worth(shares // 2)
        fund.log("Transfer", sender=sender, receiver=NOBODY, value=shares // 2)
        fund.log("Withdraw", owner=sender, assets=assets, shares=shares // 2)
        fund.books -= assets
    fund.table.requests.clear()
    again = fund.asks(60 + COOLDOWN // 12)
    assert [name for _, name, _ in again] == ["request_withdraw"] * COUNT


def test_late_ones_come_when_it_pays(desk: VaultDesk, sent: Any) -> None:
    fund = Fund(desk, sent, late_share=1.0, yield_hours=0.1, join_yield=0.1)
    fund.log("Transfer", sender=NOBODY, receiver=VAULT, value=fund.books * 10**6)
    # A holder who was there before, so that the price can move.
    fund.log("Transfer", sender=NOBODY, receiver="0x" + "77" * 20, value=1_000 * TOKEN * 10**6)
    fund.books += 1_000 * TOKEN
    assert all(fund.asks(block) == [] for block in range(1, 60))
    fund.books = int(fund.books * 1.001)
    assert len(fund.asks(60)) == COUNT

"""Staking against its rules in plain integers: every caller, receiver, owner and amount, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from deployed import START, new_chain
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from staking_world import COOLDOWN, VIRTUAL, WINDOW, make_staking_world
from vault_world import DAY, HOUR

from perpsim.chain import Revert

MOST = 2**256 - 1
ZERO = "0x" + "00" * 20


def ceil_div(a, b):
    return -(-a // b)


@dataclass
class Request:
    shares: int
    value: int
    start: int
    end: int


@dataclass
class Model:
    """The pool, its holders and their requests. A step that is refused returns None and changes nothing."""

    vault: str
    limit: int
    now: int
    on: bool = True
    books: int = 0
    treasury: int = 0
    shares: dict[str, int] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    allowances: dict[tuple[str, str], int] = field(default_factory=dict)
    bankrupt: bool = False
    times: tuple[int, int] = (COOLDOWN, WINDOW)

    # price

    def price(self):
        """Token units, and how many shares are worth so much."""
        staked = sum(self.shares.values())
        total = self.treasury + staked if staked else self.books * VIRTUAL
        return self.books + 1, total + VIRTUAL

    def to_shares(self, assets):
        units, shares = self.price()
        return assets * shares // units

    def to_shares_up(self, assets):
        units, shares = self.price()
        return ceil_div(assets * shares, units)

    def to_assets(self, number):
        units, shares = self.price()
        return number * units // shares

    def to_assets_up(self, number):
        units, shares = self.price()
        return ceil_div(number * units, shares)

    # limits

    def may_join(self, receiver):
        return self.on and not self.bankrupt and receiver not in (ZERO, self.vault)

    def max_deposit(self, receiver):
        if not self.may_join(receiver):
            return 0
        units, shares = self.price()
        free = max(2**128 - 1 - shares, 0)
        return min(self.limit - self.books, ((free + 1) * units - 1) // shares)

    def max_mint(self, receiver):
        if not self.may_join(receiver):
            return 0
        free = max(2**128 - 1 - self.price()[1], 0)
        return min(free, self.to_shares(self.limit - self.books))

    def request_of(self, owner):
        request = self.requests.get(owner)
        return request if request and self.now < request.end else None

    def max_redeem(self, owner):
        request = self.request_of(owner)
        if request is None or self.bankrupt or self.now < request.start:
            return 0
        units, shares = self.price()
        # the most shares that are worth no more than at the request
        return min(request.shares, ((request.value + 1) * shares - 1) // units)

    # steps

    def join(self, assets, shares, receiver):
        if assets and not sum(self.shares.values()):
            self.treasury = self.books * VIRTUAL
        self.books += assets
        self.shares[receiver] = self.shares.get(receiver, 0) + shares

    def deposit(self, assets, receiver):
        if assets > self.max_deposit(receiver) or receiver in (ZERO, self.vault):
            return None
        shares = self.to_shares(assets)
        if assets > 0 and shares < 1_000:
            return None
        self.join(assets, shares, receiver)
        return shares

    def mint(self, shares, receiver):
        if shares > self.max_mint(receiver) or receiver in (ZERO, self.vault):
            return None
        assets = self.to_assets_up(shares)
        self.join(assets, shares, receiver)
        return assets

    def request(self, owner, shares):
        if self.request_of(owner) or not 0 < shares <= self.shares.get(owner, 0):
            return None
        start = self.now + self.times[0]
        self.requests[owner] = Request(shares, self.to_assets(shares), start, start + self.times[1])
        return self.requests[owner].value

    def cancel(self, owner):
        return None if self.request_of(owner) is None else self.requests.pop(owner).shares

    def leave(self, caller, receiver, owner, assets, shares):
        if receiver in (ZERO, self.vault) or not self.spend(owner, caller, shares):
            return False
        if shares:
            request, redeemable = self.requests[owner], self.max_redeem(owner)
            burned = ceil_div(request.shares * shares, redeemable)
            request.value = request.value * (redeemable - shares) // redeemable
            request.shares -= burned
            self.shares[owner] -= burned
            if not request.shares:
                del self.requests[owner]
        self.books -= assets
        return True

    def redeem(self, caller, shares, receiver, owner):
        assets = self.to_assets(shares)
        if shares > self.max_redeem(owner) or not self.leave(caller, receiver, owner, assets, shares):
            return None
        return assets

    def withdraw(self, caller, assets, receiver, owner):
        shares = self.to_shares_up(assets)
        if assets > self.to_assets(self.max_redeem(owner)):
            return None
        return shares if self.leave(caller, receiver, owner, assets, shares) else None

    def spend(self, owner, caller, amount):
        allowed = self.allowances.get((owner, caller), 0)
        if caller == owner or allowed == MOST:
            return True
        if amount > allowed:
            return False
        self.allowances[owner, caller] = allowed - amount
        return True

    def move(self, owner, receiver, amount):
        request = self.request_of(owner)
        free = self.shares.get(owner, 0) - (request.shares if request else 0)
        if amount > free or receiver in (ZERO, self.vault):
            return None
        if not request:
            self.requests.pop(owner, None)
        self.shares[owner] = self.shares.get(owner, 0) - amount
        self.shares[receiver] = self.shares.get(receiver, 0) + amount
        return True

    def give(self, amount):
        if sum(self.shares.values()):
            room = 2**128 - 1 - self.price()[1]
            self.treasury += min(self.to_shares(amount), room)
        self.books += amount


WHO = st.integers(0, 2)
WHERE = st.integers(0, 4)  # the vault and nobody, too
AMOUNT = st.one_of(
    st.integers(0, 3_000).map(lambda n: n * 10**6),
    st.integers(0, 10**10),
    st.sampled_from([0, 1, 2, 999, 1_000]),
)
#: of the most that is possible: a part of it in thousandths, all of it, more than that
PART = st.one_of(st.integers(0, 1_000), st.just(1_000), st.sampled_from([1_001, MOST]))

#: before a claim: nothing is done, or there is a request to claim after a gain or a loss
CHANGE = st.one_of(st.none(), st.integers(-300, 900), st.integers(1, 900))


class StakingMachine(RuleBasedStateMachine):
    """Drives vault and model with the same steps and compares everything after each."""

    @initialize(decimals=st.sampled_from([6, 18]), offset=st.integers(0, DAY))
    def begin(self, decimals, offset):
        self.world = make_staking_world(new_chain(), decimals, start=START + offset)
        self.vault, roles = self.world.vault, self.world.roles
        self.stakers = [roles.staker, roles.rival, roles.whale]
        self.places = [*self.stakers, self.vault.address, ZERO]
        for staker in self.stakers:
            self.world.give(staker, 2**150)
            self.vault.send(staker, "approve", roles.staker, MOST)
        limit = (2**60 - 1) * self.world.unit // 10**6
        self.model = Model(self.vault.address, limit, self.world.now())
        self.step = 10 ** (decimals - 6)
        self.model.allowances = {(staker, roles.staker): MOST for staker in self.stakers}
        self.price = None
        self.lost = False
        for caller in range(3):
            self.deposit(caller, caller, 10**9 + caller)

    def agree(self, expected, sender, function, *args):
        """Both refuse, or both do it and say the same."""
        if expected is None:
            with pytest.raises(Revert):
                self.vault.send(sender, function, *args)
            return None
        sent = self.vault.send(sender, function, *args)
        assert sent.value is None or sent.value == expected
        return sent

    def part(self, part, most):
        """So many thousandths of the most that is possible, one more than that, or far more."""
        return most * part // 1_000 if part <= 1_000 else min(most + part - 1_000, MOST)

    # joining and leaving

    @rule(caller=WHO, receiver=WHERE, amount=AMOUNT)
    def deposit(self, caller, receiver, amount):
        assets, place = amount * self.step, self.places[receiver]
        preview = self.model.to_shares(assets)
        assert self.vault.view("previewDeposit", assets) == preview
        sent = self.agree(self.model.deposit(assets, place), self.stakers[caller], "deposit", assets, place)
        if sent:
            assert sent.event("Deposit") == (self.stakers[caller], place, assets, preview)
            # no round trip gains, and none loses more than a thousandth
            assert assets * 999 // 1_000 - 1 <= self.model.to_assets(sent.value) <= assets

    @rule(caller=WHO, receiver=WHERE, amount=AMOUNT)
    def mint(self, caller, receiver, amount):
        shares, place = amount * self.step * 1_003, self.places[receiver]
        preview = self.model.to_assets_up(shares)
        assert self.vault.view("previewMint", shares) == preview
        sent = self.agree(self.model.mint(shares, place), self.stakers[caller], "mint", shares, place)
        if sent:
            assert sent.event("Deposit") == (self.stakers[caller], place, preview, shares)
            assert self.model.to_assets(shares) <= sent.value

    @rule(caller=WHO, function=st.sampled_from(["deposit", "mint"]), beyond=st.sampled_from([0, 1, MOST]))
    def join_at_the_limit(self, caller, function, beyond):
        """The most is accepted, and more is not. It is undone, or nothing would be left to do."""
        who = self.stakers[caller]
        most = getattr(self.model, f"max_{function}")(who)
        if beyond:
            self.agree(None, who, function, min(most + beyond, MOST), who)
        else:
            checkpoint = self.vault.chain.snapshot()
            self.vault.send(who, function, most, who)
            self.vault.chain.revert(checkpoint)

    @rule(caller=WHO, part=PART)
    def request(self, caller, part):
        who = self.stakers[caller]
        shares = self.part(part, self.model.shares.get(who, 0))
        self.agree(self.model.request(who, shares), who, "request_withdraw", shares)

    @rule(caller=WHO)
    def cancel(self, caller):
        who = self.stakers[caller]
        self.agree(self.model.cancel(who), who, "cancel_withdraw")

    @rule(caller=WHO, receiver=WHERE, owner=WHO, part=PART, same=st.booleans(), change=CHANGE)
    def redeem(self, caller, receiver, owner, part, same, change):
        whose, place = self.stakers[owner], self.places[receiver]
        if change is not None:
            self.get_ready(whose, change)
        sender = whose if same else self.stakers[caller]
        shares = self.part(part, self.model.max_redeem(whose))
        if shares < 2**128:
            assert self.vault.view("previewRedeem", shares) == self.model.to_assets(shares)
        held = self.world.held(place)
        expected = self.model.redeem(sender, shares, place, whose)
        sent = self.agree(expected, sender, "redeem", shares, place, whose)
        if sent:
            assert sent.event("Withdraw") == (sender, place, whose, expected, shares)
            assert self.world.held(place) == held + expected

    @rule(caller=WHO, receiver=WHERE, owner=WHO, part=PART, same=st.booleans(), change=CHANGE)
    def withdraw(self, caller, receiver, owner, part, same, change):
        whose, place = self.stakers[owner], self.places[receiver]
        if change is not None:
            self.get_ready(whose, change)
        sender = whose if same else self.stakers[caller]
        assets = self.part(part, self.model.to_assets(self.model.max_redeem(whose)))
        if assets < 2**100:
            assert self.vault.view("previewWithdraw", assets) == self.model.to_shares_up(assets)
        held = self.world.held(place)
        expected = self.model.withdraw(sender, assets, place, whose)
        sent = self.agree(expected, sender, "withdraw", assets, place, whose)
        if sent:
            assert sent.event("Withdraw") == (sender, place, whose, assets, expected)
            assert self.world.held(place) == held + assets

    @rule(seconds=st.sampled_from([1, HOUR, DAY, COOLDOWN - 1, COOLDOWN, WINDOW, COOLDOWN + DAY]))
    def wait(self, seconds):
        self.world.pass_time(seconds)
        self.model.now += seconds

    def get_ready(self, owner, change):
        """Request if there is no request, wait until it can be claimed, gain or lose meanwhile."""
        if not self.model.request_of(owner):
            shares = ceil_div(self.model.shares.get(owner, 0) * 2, 3)
            self.agree(self.model.request(owner, shares), owner, "request_withdraw", shares)
        request = self.model.request_of(owner)
        if request and request.start > self.model.now:
            self.wait(request.start - self.model.now)
        if change > 0:
            self.gain(change * 10**6)
        elif change < 0:
            self.lose(-change * 10**6, 1)

    # ERC-20

    @rule(caller=WHO, receiver=WHERE, part=PART)
    def transfer(self, caller, receiver, part):
        who, place = self.stakers[caller], self.places[receiver]
        amount = self.part(part, self.model.shares.get(who, 0))
        self.agree(self.model.move(who, place, amount), who, "transfer", place, amount)

    @rule(caller=WHO, owner=WHO, receiver=WHERE, part=PART)
    def transfer_from(self, caller, owner, receiver, part):
        who, whose, place = self.stakers[caller], self.stakers[owner], self.places[receiver]
        amount = self.part(part, self.model.shares.get(whose, 0))
        allowed = self.model.allowances.get((whose, who), 0)
        done = None
        if amount <= allowed and self.model.move(whose, place, amount):
            done = True
            if allowed != MOST:
                self.model.allowances[whose, who] = allowed - amount
        self.agree(done, who, "transferFrom", whose, place, amount)

    @rule(owner=WHO, spender=WHO, amount=st.one_of(AMOUNT.map(lambda n: n * 10**6), st.just(MOST)))
    def approve(self, owner, spender, amount):
        self.vault.send(self.stakers[owner], "approve", self.stakers[spender], amount)
        self.model.allowances[self.stakers[owner], self.stakers[spender]] = amount

    # the pool

    @rule(amount=AMOUNT)
    def gain(self, amount):
        self.world.gain(amount * self.step)
        self.model.books += amount * self.step

    @rule(amount=AMOUNT, all_of_it=st.integers(0, 9))
    def lose(self, amount, all_of_it):
        wanted = self.model.books if all_of_it == 0 else amount * self.step
        paid = min(wanted, self.model.books)
        assert self.world.lose(wanted) == paid
        self.model.books -= paid
        self.lost = True

    @rule(amount=AMOUNT)
    def give(self, amount):
        self.vault.send(self.world.roles.donor, "fund", amount * self.step)
        if amount:
            self.model.give(amount * self.step)

    @rule(amount=AMOUNT)
    def donate(self, amount):
        self.world.token.send(self.world.roles.donor, "transfer", self.vault.address, amount)

    @rule(on=st.sampled_from([True, True, False]))
    def switch(self, on):
        self.world.own("set_staking", on)
        self.model.on = on

    @rule(bankrupt=st.sampled_from([True, False, False, False]))
    def bankruptcy(self, bankrupt):
        self.world.set_equity(1, -1 if bankrupt else 0)
        if bankrupt:
            self.vault.send(self.world.roles.stranger, "report", 1)
        self.model.bankrupt = bankrupt

    # ever after

    @invariant()
    def the_vault_says_what_the_model_says(self):
        view, model = self.vault.view, self.model
        staked = sum(model.shares.values())
        assert view("totalAssets") == view("assets") == model.books
        assert self.world.held(self.vault.address) >= model.books
        if staked:
            assert view("balanceOf", self.vault.address) == model.treasury
            assert view("totalSupply") == model.treasury + staked < 2**128
        assert view("is_unsettled") is model.bankrupt
        for place in self.places:
            assert view("maxDeposit", place) == model.max_deposit(place)
            assert view("maxMint", place) == model.max_mint(place)
            assert view("maxRedeem", place) == model.max_redeem(place)
            assert view("maxWithdraw", place) == model.to_assets(model.max_redeem(place))
        for who in self.stakers:
            assert view("balanceOf", who) == model.shares.get(who, 0)
            request = model.request_of(who)
            expected = (request.shares, request.value, request.start, request.end) if request else (0,) * 4
            assert view("withdrawal_request", who) == expected
            for other in self.stakers:
                assert view("allowance", who, other) == model.allowances.get((who, other), 0)
        for amount in (0, 1, 10**6, 123_456_789 * self.step, 2**90):
            assert (
                view("convertToShares", amount) == view("previewDeposit", amount) == model.to_shares(amount)
            )
            assert view("convertToAssets", amount) == view("previewRedeem", amount) == model.to_assets(amount)
            assert view("previewWithdraw", amount) == model.to_shares_up(amount)
            assert view("previewMint", amount) == model.to_assets_up(amount)

    @invariant()
    def a_share_loses_worth_only_by_a_booked_loss(self):
        units, shares = self.model.price()
        staked = any(self.model.shares.values())
        if self.price and staked and not self.lost:
            assert units * self.price[1] >= self.price[0] * shares
        self.price = (units, shares) if staked else None
        self.lost = False


def test_staking_agrees_with_a_plain_model_after_every_step():
    run_state_machine_as_test(
        StakingMachine,
        settings=settings(
            max_examples=100,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )

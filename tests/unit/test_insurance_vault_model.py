"""The insurance vault against its rules in plain integers, step by step."""

from __future__ import annotations

from deployed import START, new_chain
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from vault_world import DAY, HOUR, NO_MARKET, WAD, make_world


def ceil_div(a, b):
    return -(-a // b)


class Model:
    """The vault's rules in plain integers: keeps every change ever made and looks back over all."""

    def __init__(self, step, now):
        self.step = step
        self.now = self.first = now
        self.trip, self.resume = 3 * WAD // 10, WAD // 4
        self.open = False
        self.changes = [(now, 0)]  # (time, books after)
        self.caps = {}
        self.windows = {}
        self.spent = {market: [] for market in range(8)}  # (time, steps)
        self.paid = {market: [] for market in range(8)}  # (time, token units)
        self.ledger = {market: [0, 0, 0] for market in range(9)}

    @property
    def books(self):
        return self.changes[-1][1]

    def peak(self):
        begin = (self.now // HOUR - 8) * HOUR
        carried = [books for time, books in self.changes if time < begin][-1:]
        return (
            max(ceil_div(b, self.step) for b in carried + [b for t, b in self.changes if t >= begin])
            * self.step
        )

    def line(self, fall):
        return ceil_div(self.peak() * (WAD - fall), WAD)

    def latched(self, was_open):
        if self.trip == WAD or self.peak() == 0:
            return False
        if was_open:
            return self.books <= self.line(self.resume)
        return self.books <= self.line(self.trip)

    def used(self, market):
        bucket = ceil_div(self.windows[market], 7)
        return sum(steps for time, steps in self.spent[market] if time // bucket > self.now // bucket - 8)

    def left(self, market):
        return max(0, self.caps[market] // self.step - self.used(market)) * self.step

    def coverage(self, market):
        if self.open and self.latched(True):
            return 0
        room = max(0, self.books - self.line(self.trip))
        return min(room, self.left(market)) if self.caps.get(market) else room

    def inflow(self, market, amount):
        self.ledger[market][0] += amount
        self.changes.append((self.now, self.books + amount))
        if self.open:
            self.open = self.latched(True)

    def outflow(self, market, amount, is_deficit):
        paid = min(amount, self.coverage(market))
        self.open = self.latched(self.open)
        if is_deficit:
            self.ledger[market][2] += amount
        if paid:
            self.ledger[market][1] += paid
            self.paid[market].append((self.now, paid))
            if self.caps.get(market):
                self.spent[market].append((self.now, ceil_div(paid, self.step)))
            self.changes.append((self.now, self.books - paid))
            self.open = self.latched(self.open)
        return paid

    def set_cap(self, market, cap, window):
        if market in self.windows and self.windows[market] != window:
            self.spent[market] = [(self.now, self.used(market))]
        self.caps[market] = cap
        self.windows[market] = window

    def set_breaker(self, trip, resume):
        self.trip, self.resume = trip, resume
        self.open = self.latched(self.open)

    def history(self, n):
        rows = []
        for hour in range(self.now // HOUR, max(self.now // HOUR - min(n, 168), self.first // HOUR - 1), -1):
            before, inflow, outflow = 0, 0, 0
            for time, books in self.changes:
                if time // HOUR == hour:
                    inflow += max(0, books - before)
                    outflow += max(0, before - books)
                if time // HOUR <= hour:
                    before = books
            rows.append((hour * HOUR, before, inflow, outflow))
        return rows


MARKET = st.sampled_from([0, 1, 7])
# whole tokens, thousandths, and amounts that do not divide
AMOUNT = st.one_of(
    st.integers(0, 3_000).map(lambda n: (n, 0)),
    st.tuples(st.integers(0, 300), st.integers(0, 10**6)),
)
SECONDS = st.one_of(
    st.integers(1, 90),
    st.integers(1, 2 * HOUR),
    st.integers(1, 3).map(lambda n: n * HOUR),
    st.sampled_from([HOUR - 1, 8 * HOUR, 9 * HOUR, 9 * HOUR - 1, DAY, 12_343, 8 * 12_343]),
    st.integers(HOUR, 200 * HOUR),
)


class VaultMachine(RuleBasedStateMachine):
    """Drives vault and model with the same steps and compares everything after each."""

    @initialize(decimals=st.sampled_from([6, 7, 18]), offset=st.integers(0, DAY))
    def begin(self, decimals, offset):
        self.world = make_world(new_chain(), decimals, START + offset)
        self.step = 10 ** (decimals - 6)
        self.model = Model(self.step, self.world.now())
        self.logged = 0

    def units(self, amount):
        tokens, odd = amount
        return tokens * self.world.unit + odd * self.world.unit // 10**6 + odd % self.step

    def note(self, sent):
        for event in sent.events:
            if hasattr(event, "assets"):
                self.logged = event.assets

    @rule(amount=AMOUNT)
    def fund(self, amount):
        amount = self.units(amount)
        self.note(self.world.vault.send(self.world.roles.donor, "fund", amount))
        self.model.inflow(NO_MARKET, amount)

    @rule(market=MARKET, kind=st.integers(1, 3), amount=AMOUNT)
    def book(self, market, kind, amount):
        amount = self.units(amount)
        self.note(self.world.book(market, kind, amount))
        self.model.inflow(market, amount)

    @rule(market=MARKET, amount=AMOUNT, is_deficit=st.booleans())
    def pay(self, market, amount, is_deficit):
        amount = self.units(amount)
        was_open = self.model.open
        expected = self.model.outflow(market, amount, is_deficit) if amount else 0
        sent = (self.world.cover if is_deficit else self.world.reward)(market, amount)
        self.note(sent)
        assert sent.value == expected
        flips = len(sent.named("BreakerOpened")) - len(sent.named("BreakerClosed"))
        if amount:
            assert was_open + flips == self.model.open

    @rule(market=MARKET)
    def pay_all_there_is(self, market):
        expected = self.model.outflow(market, 2**256 - 1, False)
        sent = self.world.reward(market, 2**256 - 1)
        self.note(sent)
        assert sent.value == expected

    @rule(seconds=SECONDS)
    def wait(self, seconds):
        self.world.pass_time(seconds)
        self.model.now += seconds

    @rule(market=MARKET, cap=AMOUNT, window=st.sampled_from([1, 8, 7 * HOUR, DAY, 365 * DAY]))
    def set_cap(self, market, cap, window):
        cap = self.units(cap)
        if 0 < cap < self.step:
            cap = 0
        self.world.vault.send(self.world.roles.owner, "set_cap", market, cap, window)
        self.model.set_cap(market, cap, window)

    @rule(trip=st.integers(1, 100), part=st.integers(1, 100))
    def set_breaker(self, trip, part):
        trip = trip * WAD // 100
        resume = trip * part // 100
        self.note(self.world.vault.send(self.world.roles.owner, "set_breaker", trip, resume))
        self.model.set_breaker(trip, resume)

    @invariant()
    def the_vault_says_what_the_model_says(self):
        vault, model = self.world.vault, self.model
        assert vault.view("assets") == model.books == self.logged == self.world.held(vault.address)
        for market in (0, 1, 2, 7):
            assert vault.view("coverage", market) == model.coverage(market)
            assert vault.view("ledger", market) == tuple(model.ledger[market])
            cap = model.caps.get(market, 0)
            expected = (
                (cap // self.step * self.step, model.windows[market], model.left(market))
                if cap
                else (0, 0, 0)
            )
            assert vault.view("cap", market) == expected
        assert vault.view("ledger", NO_MARKET) == tuple(model.ledger[NO_MARKET])
        state = (
            model.open and model.latched(True),
            model.peak(),
            model.line(model.trip),
            model.trip,
            model.resume,
        )
        assert vault.view("breaker_state") == state
        assert vault.view("history", 12) == model.history(12)

    def teardown(self):
        if hasattr(self, "model"):
            assert self.world.vault.view("history", 168) == self.model.history(168)


class CapMachine(RuleBasedStateMachine):
    """A greedy liquidator against a cap: takes what there is at random moments."""

    @initialize(window=st.sampled_from([1, 7, 10, 100, 3_601, DAY]), offset=st.integers(0, DAY))
    def begin(self, window, offset):
        self.world = make_world(new_chain(), 6, START + offset)
        self.world.vault.send(self.world.roles.owner, "set_breaker", WAD, WAD)
        self.world.fund(10**9)
        self.window = window
        self.cap = 1_000 * self.world.unit
        self.world.vault.send(self.world.roles.owner, "set_cap", 0, self.cap, window)
        self.paid = []

    @rule(amount=st.integers(1, 1_500), is_deficit=st.booleans())
    def take(self, amount, is_deficit):
        sent = (self.world.cover if is_deficit else self.world.reward)(0, amount * self.world.unit)
        self.paid.append((self.world.now(), sent.value))

    @rule(numerator=st.integers(1, 16))
    def wait(self, numerator):
        self.world.pass_time(max(1, self.window * numerator // 8))

    @rule()
    def wait_a_second(self):
        self.world.pass_time(1)

    @invariant()
    def no_interval_of_the_windows_length_saw_more_than_the_cap_leave(self):
        for end, _ in getattr(self, "paid", []):
            assert sum(paid for time, paid in self.paid if end - self.window <= time <= end) <= self.cap


FUZZ = settings(
    max_examples=80,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


def test_the_vault_agrees_with_a_plain_model_after_every_step():
    run_state_machine_as_test(VaultMachine, settings=FUZZ)


def test_no_greed_gets_more_than_the_cap_out_in_any_window():
    run_state_machine_as_test(CapMachine, settings=FUZZ)

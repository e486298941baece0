"""Three accounts of one owner and a keeper's address search for money at a price that stands still.

An honest maker quotes 0.1 % around the mark. Whatever the four do, by any orders, closes, liquidations
and withdrawals among themselves or with him: they lose the fees. Where one of them is liquidatable, the
vault may lose what its terms allow, which is its business: covers near the mark and rewards; nobody else
loses anything.
"""

from __future__ import annotations

from hypothesis import given, settings, target
from hypothesis import strategies as st
from support import LONG, Actor, Exchange, deployed
from support.distress import NO_BREAKER, TERMS, distress_market, fund_vault

from perpsim.chain import Revert
from perpsim.protocol import MAX_UINT, WAD, ProtocolParams, wad

PARAMS = ProtocolParams(
    decimals=18,
    markets=(distress_market(maker_fee=-wad("0.0001"), taker_fee=wad("0.0003"), vault_share=2_000),),
    vault=NO_BREAKER,
)
NAMES = ("ann", "bob", "cid")
WHO = st.integers(0, 2)
STEP = st.one_of(
    st.tuples(
        st.just("order"),
        WHO,
        st.sampled_from([1, -1]),
        # per mille of the mark
        st.sampled_from([-200, -101, -99, -59, -30, -11, -1, 0, 1, 11, 30, 59, 99, 101, 200]),
        st.sampled_from([1, 500, 2_500, 10_000, 30_000]),
        st.integers(0, 3),
        st.booleans(),
    ),
    st.tuples(st.just("cancel"), WHO),
    st.tuples(st.just("liquidate"), WHO, st.sampled_from([1, 2_000, None]), st.booleans()),
    st.tuples(st.just("withdraw"), WHO),
)


class Gang:
    """The colluding accounts and what they have."""

    def __init__(self, exchange: Exchange, positions: list[tuple[int, int, int]]) -> None:
        self.exchange = exchange
        self.actors = [exchange.actor(name, deposit=20_000) for name in NAMES]
        self.keeper = exchange.actor("keeper", deposit=1)
        self.honest = exchange.actor("honest", deposit=10**7)
        for long, short, milli in positions:
            if long != short:
                size = f"{milli // 1_000}.{milli % 1_000:03d}"
                try:
                    exchange.trade(self.actors[long], self.actors[short], size, 10_000)
                except Revert:
                    self.actors[short].cancel_all()
        for actor in self.actors:
            if actor.withdrawable:
                actor.send(exchange.clearinghouse, "withdraw", actor.withdrawable)

    def all(self) -> list[Actor]:
        return [*self.actors, self.keeper]

    def wealth(self) -> int:
        """What they could leave with, wei: what is below zero is left behind."""
        return sum(max(actor.equity, 0) + actor.tokens for actor in self.all())

    def act(self, step: tuple) -> list:
        """One step; events of what was done."""
        exchange, actor = self.exchange, self.actors[step[1]]
        mark = exchange.mark()
        try:
            if step[0] == "order":
                _, _, side, per_mille, milli, kind, reduce_only = step
                price = mark * (1_000 + per_mille) // 1_000 // 10**15 * 10**15
                args = (side > 0, price, milli * 10**15, kind, reduce_only, 0)
                return actor.send(exchange.book, "place", *args).events
            if step[0] == "cancel":
                return actor.cancel_all().events
            if step[0] == "withdraw":
                return actor.send(exchange.clearinghouse, "withdraw", actor.withdrawable).events
            most = MAX_UINT if step[2] is None else step[2] * 10**15
            args = (actor.account, 0, most, step[3])
            return self.keeper.send(exchange.liquidator, "liquidate", *args).events
        except Revert as error:
            assert error.reason.startswith(("order: ", "withdraw: ", "liquidate: ")), error.reason
            return []


def play(positions: list[tuple[int, int, int]], move: int, steps: list[tuple]) -> None:
    """Set up, move the price once, and then search at that price."""
    with deployed(PARAMS) as exchange:
        fund_vault(exchange, 10**6)
        gang = Gang(exchange, positions)
        price = 10_000 + move
        exchange.move(price)
        honest = gang.honest
        for side in (LONG, -LONG):
            honest.order(side, 5, f"{price * (1_000 - side) / 1_000:.3f}")
        any_liquidatable = any(a.equity < a.health.maintenance for a in gang.actors)
        start, fair = gang.wealth(), honest.equity
        fund = exchange.fund
        covered = rewarded = slipped = 0
        for step in steps:
            events = gang.act(step)
            mark = exchange.mark()
            for _, name, event in events:
                if name == "Liquidated":
                    covered += event.cover
                    rewarded += max(event.reward - event.penalty, 0)
                    # per notional closed no more than the slippage allowed, and what the account was
                    # short of
                    short_of = max(-event.equity_before, 0)
                    slipped += event.closed * mark // WAD * TERMS.cover_slippage // WAD + short_of
        gained = gang.wealth() - start
        target(float(gained) / WAD, label="gained")
        assert covered <= slipped
        assert any_liquidatable or covered == rewarded == 0
        # a few wei of rounding, and what deleveraging moved between themselves
        assert gained <= covered + rewarded + 10**6
        assert exchange.fund >= fund - covered - rewarded - 1
        assert honest.equity >= fair - 10**6


POSITIONS = st.lists(st.tuples(WHO, WHO, st.sampled_from([1, 5_000, 15_000])), min_size=1, max_size=3)


@settings(max_examples=settings.default.max_examples, deadline=None)
@given(positions=POSITIONS, steps=st.lists(STEP, min_size=2, max_size=12))
def test_without_a_move_nothing(positions: list[tuple[int, int, int]], steps: list[tuple]) -> None:
    """Nobody is liquidatable: every sequence costs the fees."""
    play(positions, 0, steps)


@settings(max_examples=settings.default.max_examples, deadline=None)
@given(
    positions=POSITIONS,
    move=st.sampled_from([-1_500, -999, -700, -530, 530, 700, 999, 1_500]),
    steps=st.lists(STEP, min_size=2, max_size=12),
)
def test_after_a_move_no_more_than_the_vaults_terms(
    positions: list[tuple[int, int, int]], move: int, steps: list[tuple]
) -> None:
    """One of them may be liquidatable or bankrupt by now."""
    play(positions, move, steps)

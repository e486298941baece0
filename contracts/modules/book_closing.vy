# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Closing on the book
@license Apache-2.0
@notice The first stage of the waterfall: what the order book takes of a position, without and then with the vault's money.
"""

from contracts.interfaces import IClearinghouse
from contracts.modules import core
from contracts.modules import debts
from contracts.modules import liquidation_rules as rules

uses: core
uses: debts

WAD: constant(uint256) = 10**18
U88: constant(int256) = 2**88 - 1
# answers of an order book
NEEDS_COVER: constant(uint256) = 6
MORE: constant(uint256) = 7


struct Terms:
    penalty_rate: uint256
    surplus_share: uint256
    budget: uint256


struct Matched:
    filled: uint256
    notional: uint256
    penalty: uint256
    cover: uint256
    answer: uint256


struct Done:
    # WAD: what was closed, its notional, penalty taken, what of it has gone to the vault, what the vault paid
    closed: uint256
    notional: uint256
    penalty: uint256
    sent: uint256
    cover: uint256
    # whether the book may have more
    more: bool
    # size that should be closed (WAD); 0 where winners are charged instead
    target: uint256


interface Book:
    def min_size() -> uint256: view
    def liquidate(
        account: uint256, is_buy: bool, size: uint256, limit: uint256, terms: Terms
    ) -> Matched: nonpayable


@internal
def _close_on_book(
    account: uint256,
    market: uint256,
    wanted: uint256,
    standing: IClearinghouse.Standing,
    params: rules.Params,
) -> Done:
    """
    @notice Close on the book: first what costs the vault nothing, then, nearer to the mark, with the vault's coverage as
            budget; a colluding maker far away would otherwise be handed the vault.
    """
    is_buy: bool = standing.size < 0
    mark: uint256 = convert(standing.mark, uint256)
    terms: Terms = Terms(penalty_rate=params.penalty_rate, surplus_share=params.surplus_share, budget=0)
    first: Matched = extcall Book(standing.book).liquidate(
        account, is_buy, wanted, self._limit(mark, is_buy, params.max_slippage), terms
    )
    done: Done = Done(
        closed=first.filled,
        notional=first.notional,
        penalty=first.penalty,
        sent=0,
        cover=0,
        more=first.answer == MORE,
        target=wanted,
    )
    if first.answer != NEEDS_COVER:
        return done
    # what this liquidation and earlier trades have brought in may cover it, less what the keeper is due
    due: uint256 = min(done.penalty, rules._reward(params, wanted * mark // WAD, wanted, wanted))
    done.sent = done.penalty - due
    if done.sent > 0:
        extcall IClearinghouse(core.clearinghouse).distribute(market, msg.sender, 0, 0, done.sent, 0)
    extcall IClearinghouse(core.clearinghouse).sweep_fees_for_cover(market)
    terms.budget = (staticcall core.Vault(core.vault).coverage(market)) * core.unit
    if terms.budget == 0:
        return done
    # from the nearer of mark and index: whoever moves the mark away from the index gains nothing by it
    index: uint256 = convert(
        (staticcall IClearinghouse(core.clearinghouse).market_words(market))[1] & U88, uint256
    )
    nearest: uint256 = max(mark, index)
    if is_buy:
        nearest = min(mark, index)
    more: Matched = extcall Book(standing.book).liquidate(
        account,
        is_buy,
        wanted - done.closed,
        self._limit(nearest, is_buy, params.cover_slippage),
        terms,
    )
    paid: uint256 = debts._cover(market, more.cover)
    if paid < more.cover:
        # the token took a fee on the way: the account has its cover, the debt is the market's
        missing: uint256 = more.cover - paid
        extcall IClearinghouse(core.clearinghouse).change_unpaid(market, convert(missing, int256))
        debts.bad_debt[market].deficit += missing
        debts.bad_debt[market].unpaid += missing
    done.closed += more.filled
    done.notional += more.notional
    done.penalty += more.penalty
    done.cover = more.cover
    done.more = more.answer == MORE
    return done


@internal
@pure
def _limit(mark: uint256, is_buy: bool, slippage: uint256) -> uint256:
    """
    @notice Worst price (WAD) so far from the mark.
    """
    # unsafe: marks have 88 bits, the slippage is at most 50 %
    distance: uint256 = unsafe_div(unsafe_mul(mark, slippage), WAD)
    if is_buy:
        return unsafe_add(mark, distance)
    return unsafe_sub(mark, distance)

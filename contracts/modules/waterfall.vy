# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Waterfall
@license Apache-2.0
@notice A liquidation from its first check to the keeper's reward: how much is closed, on the book, then by index where that
        is asked for, then what is still owed, then who is paid for it.
"""

from contracts.interfaces import IClearinghouse
from contracts.modules import adl_booking as adl
from contracts.modules import adl_terms
from contracts.modules import book_closing as book
from contracts.modules import core
from contracts.modules import debts
from contracts.modules import liquidation_rules as rules

uses: adl
uses: adl_terms
uses: book
uses: core
uses: debts
uses: rules


event Liquidated:
    account: indexed(uint256)
    market: indexed(uint256)
    keeper: indexed(address)
    closed: uint256
    notional: uint256
    penalty: uint256
    cover: uint256
    reward: uint256
    equity_before: int256
    maintenance_before: int256


@external
@view
def closable(account: uint256, market: uint256) -> uint256:
    """
    @notice What a liquidation would try to close now (WAD size); 0 for a healthy account.
    @param account Account.
    @param market Market.
    """
    standing: IClearinghouse.Standing = core._standing(account, market)
    if standing.equity >= standing.maintenance:
        return 0
    return self._closable(standing, rules._unpacked(rules.words[market]))


@internal
def _liquidate(
    account: uint256,
    market: uint256,
    max_size: uint256,
    with_deleverage: bool,
    standing: IClearinghouse.Standing,
) -> (uint256, bool):
    """
    @notice The waterfall: book, vault, the other side by index, what is left; then the keeper.
    @return Size closed (WAD), and whether the walk through the book ended only by the count of orders.
    """
    self._require_liquidatable(standing)
    params: rules.Params = rules._unpacked(rules.words[market])
    target: uint256 = self._closable(standing, params)
    wanted: uint256 = target
    if max_size < target and not with_deleverage:
        wanted = max_size
        if max_size != 0:
            # no slivers: they would leave other people's orders in crumbs, or a position that is none
            least: uint256 = staticcall book.Book(standing.book).min_size()
            wanted = min(target, max(max_size, least))
            if convert(abs(standing.size), uint256) - wanted < least:
                wanted = target
    done: book.Done = book._close_on_book(account, market, wanted, standing, params)
    deleveraged: bool = False
    if with_deleverage and done.closed < target and not done.more:
        left: IClearinghouse.Standing = standing
        if done.closed != 0:
            left = core._standing(account, market)
        if left.equity < 0 and left.size != 0 and adl_terms._by_index(market, left):
            done = adl._deleverage_by_index(account, market, done, left, False)
            deleveraged = True
    done.target = target
    self._settle_up(account, market, standing, params, done, deleveraged)
    return done.closed, done.more


@internal
@pure
def _require_liquidatable(standing: IClearinghouse.Standing):
    """
    @notice Refuse healthy accounts, and prices that nobody should be closed at.
    """
    assert standing.held, "liquidate: no position"
    assert not standing.stale, "liquidate: stale index or frozen market"
    assert standing.equity < standing.maintenance, "liquidate: healthy"


@internal
def _settle_up(
    account: uint256,
    market: uint256,
    standing: IClearinghouse.Standing,
    params: rules.Params,
    done: book.Done,
    deleveraged: bool,
):
    """
    @notice Clear what a flat account still owes, pay the keeper, and write it all to the log.
    """
    if deleveraged or standing.size == 0:
        debts._resolve(account, market, 1 - standing.side)
    reward: uint256 = 0
    if done.notional > 0:
        reward = self._pay_keeper(
            market,
            rules._reward(params, done.notional, done.closed, done.target),
            done.penalty - done.sent,
            deleveraged,
        )
    log Liquidated(
        account=account,
        market=market,
        keeper=msg.sender,
        closed=done.closed,
        notional=done.notional,
        penalty=done.penalty,
        cover=done.cover,
        reward=reward,
        equity_before=standing.equity,
        maintenance_before=standing.maintenance,
    )


@internal
def _pay_keeper(market: uint256, reward: uint256, penalty: uint256, deleveraged: bool) -> uint256:
    """
    @notice Pay the reward (WAD) out of the penalty, then the vault, then, after a deleveraging, the treasury's fees; what
            the penalty leaves goes to the vault.
    """
    from_penalty: uint256 = min(reward, penalty)
    from_vault: uint256 = 0
    asked: uint256 = 0
    if reward > from_penalty:
        units: uint256 = (reward - from_penalty) // core.unit
        # after a deleveraging the pool is mostly empty; asking it is dearer than looking
        if units > 0 and (not deleveraged or staticcall core.Vault(core.vault).pool_assets(market) != 0):
            from_vault = (extcall core.Vault(core.vault).reward(market, units)) * core.unit
        if deleveraged:
            asked = reward - from_penalty - from_vault
    if from_penalty + from_vault + asked + penalty == 0:
        return 0
    return extcall IClearinghouse(core.clearinghouse).distribute(
        market, msg.sender, from_penalty + from_vault, asked, penalty - from_penalty, 0
    )


@internal
@view
def _closable(standing: IClearinghouse.Standing, params: rules.Params) -> uint256:
    """
    @notice Size that a liquidation closes (WAD): at least the book's minimum, and everything rather than leave less.
    """
    size: uint256 = convert(abs(standing.size), uint256)
    if standing.equity <= 0:
        return size
    quantity: uint256 = rules._partial(
        params,
        size,
        convert(standing.mark, uint256),
        convert(standing.equity, uint256),
        convert(standing.maintenance, uint256),
        convert(standing.maintenance_rate, uint256),
    )
    if quantity >= size:
        return size
    least: uint256 = staticcall book.Book(standing.book).min_size()
    quantity = max(quantity, least)
    if quantity + least > size:
        return size
    return quantity

# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Liquidator
@license Apache-2.0
@notice The keeper path. `liquidate` runs the loss waterfall in one transaction: the book above the bankruptcy price (the
        account pays a penalty), at it (nothing moves), below it (the vault pays the difference at once), then, for a
        bankrupt account and when asked, deleveraging against the other side, then what is left: the vault, the winning
        side, the treasury. It never reverts for lack of money.
"""

from ethereum.ercs import IERC20Detailed

from contracts.modules import access
from contracts.modules import fixed_point
from contracts.modules import liquidation_rules

initializes: access

exports: (
    access.owner,
    access.pending_owner,
    access.transfer_ownership,
    access.accept_ownership,
)

WAD: constant(uint256) = 10**18
MAX_MARKETS: constant(uint256) = 8
U88: constant(int256) = 2**88 - 1
# answers of an order book
NEEDS_COVER: constant(uint256) = 6
MORE: constant(uint256) = 7
# how a deleveraging was shared out
BY_INDEX: constant(uint256) = 0

clearinghouse: public(immutable(address))
vault: public(immutable(address))
unit: immutable(uint256)


struct BadDebt:
    # WAD: what accounts without positions owed, and who bore it
    deficit: uint256
    covered: uint256
    socialised: uint256
    treasury: uint256
    unpaid: uint256


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


struct Standing:
    book: address
    equity: int256
    maintenance: int256
    position_maintenance: int256
    size: int256
    mark: int256
    maintenance_rate: int256
    held: bool
    side: uint256
    stale: bool


interface Clearinghouse:
    def token() -> address: view
    def unpaid(market: uint256) -> uint256: view
    def standing(account: uint256, market: uint256) -> Standing: view
    def deficit(account: uint256) -> uint256: view
    def deleverage_by_index(account: uint256, market: uint256) -> (uint256, int256): nonpayable
    def resolve_deficit(account: uint256, market: uint256, side: uint256, cover: uint256) -> (
        uint256, uint256, uint256
    ): nonpayable
    def market_words(market: uint256) -> int256[8]: view
    def change_unpaid(market: uint256, change: int256): nonpayable
    def distribute(
        market: uint256, keeper: address, reward: uint256, asked: uint256, to_vault: uint256, dust: uint256
    ) -> uint256: nonpayable
    def sweep_fees_for_cover(market: uint256) -> uint256: nonpayable


interface Book:
    def min_size() -> uint256: view
    def liquidate(
        account: uint256, is_buy: bool, size: uint256, limit: uint256, terms: Terms
    ) -> Matched: nonpayable


interface Vault:
    def assets() -> uint256: view
    def coverage(market: uint256) -> uint256: view
    def cover(market: uint256, amount: uint256) -> uint256: nonpayable
    def repay(market: uint256, amount: uint256) -> uint256: nonpayable
    def reward(market: uint256, amount: uint256) -> uint256: nonpayable


# as `modules/liquidation_rules.vy` packs them
words: uint256[MAX_MARKETS]
bad_debt: public(BadDebt[MAX_MARKETS])


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


event DeleverageReceipt:
    account: indexed(uint256)
    market: indexed(uint256)
    policy: uint256
    deficit: uint256
    vault_before: uint256
    vault_after: uint256
    mark: uint256
    bankruptcy_price: int256
    quantity: uint256
    haircut: int256


event BadDebtBooked:
    market: indexed(uint256)
    account: indexed(uint256)
    deficit: uint256
    covered: uint256
    socialised: uint256
    treasury: uint256
    unpaid: uint256


event ParamsSet:
    market: indexed(uint256)
    params: liquidation_rules.Params


@deploy
def __init__(clearinghouse_: address, vault_: address, owner: address):
    """
    @notice Deploy for one clearinghouse and vault.
    @param clearinghouse_ Holds accounts and positions.
    @param vault_ Insurance vault.
    @param owner Sets the parameters.
    """
    access.__init__(owner)
    clearinghouse = clearinghouse_
    vault = vault_
    decimals: uint8 = staticcall IERC20Detailed(staticcall Clearinghouse(clearinghouse_).token()).decimals()
    unit = 10**convert(18 - decimals, uint256)


@external
@nonreentrant
def liquidate(
    account: uint256, market: uint256, max_size: uint256 = max_value(uint256), with_deleverage: bool = False
) -> uint256:
    """
    @notice Liquidate an account whose equity is below its maintenance margin, in one market. Open to anyone; the reward
            goes to the caller's account.
    @param account Account.
    @param market Market.
    @param max_size Most to close on the book (WAD); larger is cut to what may be closed. Not for deleveraging.
    @param with_deleverage Whether to deleverage what book and vault cannot finish of a bankrupt account.
    @return Size closed (WAD).
    """
    standing: Standing = staticcall Clearinghouse(clearinghouse).standing(account, market)
    return self._liquidate(account, market, max_size, with_deleverage, standing)


@external
@nonreentrant
def deleverage(account: uint256, market: uint256) -> uint256:
    """
    @notice Close a bankrupt account's position: on the book as far as book and vault go, the rest at its bankruptcy price
            against the other side. Open to anyone.
    @param account Account.
    @param market Market.
    @return Size closed (WAD).
    """
    standing: Standing = staticcall Clearinghouse(clearinghouse).standing(account, market)
    assert standing.equity < 0, "deleverage: not bankrupt"
    return self._liquidate(account, market, max_value(uint256), True, standing)


@external
@nonreentrant
def repay_bad_debt(market: uint256) -> uint256:
    """
    @notice Let the vault pay debt that nobody could bear when it arose. Open to anyone.
    @param market Market.
    @return WAD repaid.
    """
    owed: uint256 = staticcall Clearinghouse(clearinghouse).unpaid(market)
    if owed == 0:
        return 0
    received: uint256 = (extcall Vault(vault).repay(market, (owed + unit - 1) // unit)) * unit
    paid: uint256 = min(received, owed)
    if received > owed:
        extcall Clearinghouse(clearinghouse).distribute(market, msg.sender, 0, 0, 0, received - owed)
    if paid > 0:
        extcall Clearinghouse(clearinghouse).change_unpaid(market, -convert(paid, int256))
        self.bad_debt[market].unpaid -= paid
        self.bad_debt[market].covered += paid
    return paid


@external
@nonreentrant
def set_params(market: uint256, params: liquidation_rules.Params):
    """
    @notice Set a market's liquidation parameters. Only the owner.
    @param market Market.
    @param params New parameters; rates are kept in 1e-6, amounts in whole or thousandths of quote units.
    """
    access._only_owner()
    self.words[market] = liquidation_rules._packed(params)
    log ParamsSet(market=market, params=params)


@external
@view
def params(market: uint256) -> liquidation_rules.Params:
    """
    @notice A market's liquidation parameters.
    @param market Market.
    """
    return liquidation_rules._unpacked(self.words[market])


@external
@view
def closable(account: uint256, market: uint256) -> uint256:
    """
    @notice What a liquidation would try to close now (WAD size); 0 for a healthy account.
    @param account Account.
    @param market Market.
    """
    standing: Standing = staticcall Clearinghouse(clearinghouse).standing(account, market)
    if standing.equity >= standing.maintenance:
        return 0
    return self._closable(standing, liquidation_rules._unpacked(self.words[market]))


# waterfall


@internal
def _liquidate(
    account: uint256, market: uint256, max_size: uint256, with_deleverage: bool, standing: Standing
) -> uint256:
    """
    @notice The waterfall: book, vault, the other side, what is left; then the keeper.
    """
    assert standing.held, "liquidate: no position"
    assert not standing.stale, "liquidate: stale index"
    assert standing.equity < standing.maintenance, "liquidate: healthy"
    params: liquidation_rules.Params = liquidation_rules._unpacked(self.words[market])
    target: uint256 = self._closable(standing, params)
    wanted: uint256 = target
    if max_size < target and not with_deleverage:
        wanted = max_size
        if max_size != 0:
            # no slivers: they would leave other people's orders in crumbs
            wanted = min(target, max(max_size, staticcall Book(standing.book).min_size()))
    sent: uint256 = 0
    done: Matched = empty(Matched)
    sent, done = self._close_on_book(account, market, wanted, standing, params)
    closed: uint256 = done.filled

    deleveraged: bool = False
    if with_deleverage and closed < target and done.answer != MORE:
        left: Standing = staticcall Clearinghouse(clearinghouse).standing(account, market)
        if left.equity < 0 and left.size != 0:
            quantity: uint256 = self._deleverage(account, market, left)
            closed += quantity
            done.notional += quantity * convert(left.mark, uint256) // WAD
            deleveraged = True
    if deleveraged or standing.size == 0:
        self._resolve(account, market, 1 - standing.side)

    reward: uint256 = 0
    if done.notional > 0:
        reward = self._pay_keeper(
            market,
            liquidation_rules._reward(params, done.notional, closed == target),
            done.penalty - sent,
            deleveraged,
        )
    log Liquidated(
        account=account,
        market=market,
        keeper=msg.sender,
        closed=closed,
        notional=done.notional,
        penalty=done.penalty,
        cover=done.cover,
        reward=reward,
        equity_before=standing.equity,
        maintenance_before=standing.maintenance,
    )
    return closed


@internal
def _close_on_book(
    account: uint256,
    market: uint256,
    wanted: uint256,
    standing: Standing,
    params: liquidation_rules.Params,
) -> (uint256, Matched):
    """
    @notice Close on the book: first what costs the vault nothing, then, nearer to the mark, with the vault's coverage as
            budget; a colluding maker far away would otherwise be handed the vault.
    @return Penalty (WAD) that has gone to the vault already, and what was done in all.
    """
    is_buy: bool = standing.size < 0
    mark: uint256 = convert(standing.mark, uint256)
    terms: Terms = Terms(penalty_rate=params.penalty_rate, surplus_share=params.surplus_share, budget=0)
    done: Matched = extcall Book(standing.book).liquidate(
        account, is_buy, wanted, self._limit(mark, is_buy, params.max_slippage), terms
    )
    if done.answer != NEEDS_COVER:
        return 0, done
    # what this liquidation and earlier trades have brought in may cover it, less what the keeper is due
    due: uint256 = min(done.penalty, liquidation_rules._reward(params, wanted * mark // WAD, True))
    sent: uint256 = done.penalty - due
    if sent > 0:
        extcall Clearinghouse(clearinghouse).distribute(market, msg.sender, 0, 0, sent, 0)
    extcall Clearinghouse(clearinghouse).sweep_fees_for_cover(market)
    terms.budget = (staticcall Vault(vault).coverage(market)) * unit
    if terms.budget == 0:
        return sent, done
    # from the nearer of mark and index: whoever moves the mark away from the index gains nothing by it
    index: uint256 = convert((staticcall Clearinghouse(clearinghouse).market_words(market))[1] & U88, uint256)
    nearest: uint256 = max(mark, index)
    if is_buy:
        nearest = min(mark, index)
    more: Matched = extcall Book(standing.book).liquidate(
        account,
        is_buy,
        wanted - done.filled,
        self._limit(nearest, is_buy, params.cover_slippage),
        terms,
    )
    paid: uint256 = self._cover(market, more.cover)
    if paid < more.cover:
        # the token took a fee on the way: the account has its cover, the debt is the market's
        missing: uint256 = more.cover - paid
        extcall Clearinghouse(clearinghouse).change_unpaid(market, convert(missing, int256))
        self.bad_debt[market].deficit += missing
        self.bad_debt[market].unpaid += missing
    return sent, Matched(
        filled=done.filled + more.filled,
        notional=done.notional + more.notional,
        penalty=done.penalty + more.penalty,
        cover=more.cover,
        answer=more.answer,
    )


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


@internal
def _deleverage(account: uint256, market: uint256, standing: Standing) -> uint256:
    """
    @notice Close what is left of a bankrupt account against the other side, and write the receipt.
    """
    assets: uint256 = staticcall Vault(vault).assets()
    quantity: uint256 = 0
    quote: int256 = 0
    quantity, quote = extcall Clearinghouse(clearinghouse).deleverage_by_index(account, market)
    log DeleverageReceipt(
        account=account,
        market=market,
        policy=BY_INDEX,
        deficit=convert(-standing.equity, uint256),
        vault_before=assets,
        vault_after=assets,
        mark=convert(standing.mark, uint256),
        bankruptcy_price=quote * convert(WAD, int256) // standing.size,
        quantity=quantity,
        haircut=quote - fixed_point._floor_div(standing.size * standing.mark, convert(WAD, int256)),
    )
    return quantity


@internal
def _resolve(account: uint256, market: uint256, winners: uint256):
    """
    @notice Clear what an account without positions still owes.
    """
    deficit: uint256 = staticcall Clearinghouse(clearinghouse).deficit(account)
    if deficit == 0:
        return
    covered: uint256 = self._cover(market, deficit)
    socialised: uint256 = 0
    treasury: uint256 = 0
    unpaid: uint256 = 0
    socialised, treasury, unpaid = extcall Clearinghouse(clearinghouse).resolve_deficit(
        account, market, winners, covered
    )
    ledger: BadDebt = self.bad_debt[market]
    self.bad_debt[market] = BadDebt(
        deficit=ledger.deficit + deficit,
        covered=ledger.covered + covered,
        socialised=ledger.socialised + socialised,
        treasury=ledger.treasury + treasury,
        unpaid=ledger.unpaid + unpaid,
    )
    log BadDebtBooked(
        market=market,
        account=account,
        deficit=deficit,
        covered=covered,
        socialised=socialised,
        treasury=treasury,
        unpaid=unpaid,
    )


@internal
def _cover(market: uint256, amount: uint256) -> uint256:
    """
    @notice Have the vault pay up to `amount` (WAD). It pays whole token units; the dust above goes to the treasury.
    @return WAD paid, at most the amount.
    """
    if amount == 0:
        return 0
    paid: uint256 = (extcall Vault(vault).cover(market, (amount + unit - 1) // unit)) * unit
    if paid > amount:
        extcall Clearinghouse(clearinghouse).distribute(market, msg.sender, 0, 0, 0, paid - amount)
        return amount
    return paid


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
        units: uint256 = (reward - from_penalty) // unit
        if units > 0:
            from_vault = (extcall Vault(vault).reward(market, units)) * unit
        if deleveraged:
            asked = reward - from_penalty - from_vault
    if from_penalty + from_vault + asked + penalty == 0:
        return 0
    return extcall Clearinghouse(clearinghouse).distribute(
        market, msg.sender, from_penalty + from_vault, asked, penalty - from_penalty, 0
    )


@internal
@view
def _closable(standing: Standing, params: liquidation_rules.Params) -> uint256:
    """
    @notice Size that a liquidation closes (WAD): at least the book's minimum, and everything rather than leave less.
    """
    size: uint256 = convert(abs(standing.size), uint256)
    if standing.equity <= 0:
        return size
    quantity: uint256 = liquidation_rules._partial(
        params,
        size,
        convert(standing.mark, uint256),
        convert(standing.equity, uint256),
        convert(standing.maintenance, uint256),
        convert(standing.maintenance_rate, uint256),
    )
    if quantity >= size:
        return size
    least: uint256 = staticcall Book(standing.book).min_size()
    quantity = max(quantity, least)
    if quantity + least > size:
        return size
    return quantity

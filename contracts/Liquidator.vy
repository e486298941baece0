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

from contracts.interfaces import IClearinghouse
from contracts.modules import access
from contracts.modules import adl_list
from contracts.modules import adl_open_list
from contracts.modules import adl_task
from contracts.modules import adl_terms
from contracts.modules import core
from contracts.modules import liquidation_rules

initializes: access
initializes: core
initializes: adl_terms
initializes: adl_task[adl_terms := adl_terms, core := core]
initializes: adl_list[adl_task := adl_task, core := core]
initializes: adl_open_list[adl_list := adl_list, adl_task := adl_task, adl_terms := adl_terms, core := core]

exports: (
    access.owner,
    access.pending_owner,
    access.transfer_ownership,
    access.accept_ownership,
    adl_terms.deleverage_terms,
    adl_open_list.open_list_of,
    adl_open_list.row_of,
    adl_task.rank,
    core.clearinghouse,
    core.vault,
)

WAD: constant(uint256) = 10**18
MAX_MARKETS: constant(uint256) = 8
U88: constant(int256) = 2**88 - 1
# answers of an order book
NEEDS_COVER: constant(uint256) = 6
MORE: constant(uint256) = 7


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


interface Vault:
    def pool_assets(market: uint256) -> uint256: view
    def coverage(market: uint256) -> uint256: view
    def cover(market: uint256, amount: uint256) -> uint256: nonpayable
    def repay(market: uint256, amount: uint256) -> uint256: nonpayable
    def reward(market: uint256, amount: uint256) -> uint256: nonpayable
    def report_market(market: uint256): nonpayable


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


# policy is the zero address where all went by index; deficit, haircut and mark are WAD, vault balances token units; quantity
# (WAD size) includes what of it went by index, haircut is what the others bore against the mark
event DeleverageReceipt:
    account: indexed(uint256)
    market: indexed(uint256)
    policy: address
    deficit: uint256
    vault_before: uint256
    vault_after: uint256
    mark: uint256
    bankruptcy_price: int256
    quantity: uint256
    by_index: uint256
    haircut: uint256


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
    core.__init__(clearinghouse_, vault_)


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
    standing: IClearinghouse.Standing = core._standing(account, market)
    return self._liquidate(account, market, max_size, with_deleverage, standing)[0]


@external
@nonreentrant
def deleverage(account: uint256, market: uint256) -> uint256:
    """
    @notice Close a bankrupt account's position: on the book as far as book and vault go, the rest at its bankruptcy price
            against the whole other side by size. Open to anyone, where the market shares out by index, the position is too
            small for a list, or a list has just timed out.
    @param account Account.
    @param market Market.
    @return Size closed (WAD).
    """
    standing: IClearinghouse.Standing = self._bankrupt(account, market)
    assert adl_terms._by_index(market, standing), "deleverage: needs a list"
    return self._liquidate(account, market, max_value(uint256), True, standing)[0]


@external
@nonreentrant
def deleverage_by_list(
    account: uint256, market: uint256, accounts: DynArray[uint256, adl_list.MAX_WORDS]
) -> uint256:
    """
    @notice As `deleverage`, in a market that shares out by list: the policy allots what book and vault cannot close to the
            accounts handed in, the rest goes by index. Also ends a list that is open for the account, with this one.
    @param account Account.
    @param market Market.
    @param accounts Every account on the other side as the policy sorts them, eight a word, 32 bits each, the first in the
                    lowest; a 0 ends them. At most 2048.
    @return Size closed (WAD).
    """
    standing: IClearinghouse.Standing = self._bankrupt(account, market)
    assert adl_terms._terms(market).policy != empty(address), "deleverage: by index"
    params: liquidation_rules.Params = liquidation_rules._unpacked(self.words[market])
    open_for: uint256 = adl_open_list.open_lists[market].account
    done: Done = empty(Done)
    left: IClearinghouse.Standing = standing
    if open_for == 0:
        self._require_liquidatable(standing)
        done = self._close_on_book(account, market, convert(abs(standing.size), uint256), standing, params)
        if done.closed != 0:
            left = core._standing(account, market)
    else:
        assert open_for == account, "list: open for another account"
    deleveraged: bool = left.equity < 0 and left.size != 0 and not done.more
    if deleveraged:
        adl_list._hand_over(accounts)
        task: adl_task.Task = adl_task._task(market, account, left)
        task = adl_list._take_in(task)
        done = self._after_list(done, task, left, adl_list._share_out(task))
    if open_for != 0:
        adl_open_list._end(market, False)
    self._settle_up(account, market, standing, params, done, deleveraged)
    return done.closed


@external
@nonreentrant
def open_list(account: uint256, market: uint256) -> uint256:
    """
    @notice Close a bankrupt account on the book as far as book and vault go; if they cannot finish, freeze the market so
            that a list of the other side can be handed in. Open to anyone.
    @param account Account.
    @param market Market that shares out by list.
    @return Size closed (WAD).
    """
    standing: IClearinghouse.Standing = self._bankrupt(account, market)
    assert not adl_terms._by_index(market, standing), "deleverage: by index"
    closed: uint256 = 0
    more: bool = False
    closed, more = self._liquidate(account, market, max_value(uint256), False, standing)
    left: IClearinghouse.Standing = core._standing(account, market)
    if left.equity < 0 and left.size != 0 and not more:
        adl_open_list._open(market, account)
        # nobody joins or leaves the vault until the loss is booked
        extcall Vault(core.vault).report_market(market)
    return closed


@external
@nonreentrant
def hand_in(
    market: uint256,
    accounts: DynArray[uint256, adl_open_list.MAX_HANDED],
    hints: DynArray[uint256, adl_open_list.MAX_HANDED],
):
    """
    @notice Insert accounts into a market's open list, where the policy has them. Open to anyone.
    @param market Market.
    @param accounts Accounts on the other side that are not in the list yet.
    @param hints For each an account in the list that it comes after, 0 for none; the search goes 64 steps from there.
    """
    assert len(accounts) == len(hints), "list: accounts and hints differ in number"
    account: uint256 = adl_open_list._open_for(market)
    standing: IClearinghouse.Standing = self._bankrupt(account, market)
    adl_open_list._hand_in(adl_task._task(market, account, standing), accounts, hints)


@external
@nonreentrant
def execute_list(market: uint256, count: uint256) -> uint256:
    """
    @notice Let the first accounts of a complete list bear what they have to. Once all is borne, or nobody is left, the
            list ends, and what the list could not bear goes by index. Open to anyone.
    @param market Market.
    @param count How many accounts, at most 2048.
    @return Size closed (WAD).
    """
    account: uint256 = adl_open_list._open_for(market)
    standing: IClearinghouse.Standing = core._standing(account, market)
    if standing.equity >= 0 or standing.size == 0:
        adl_open_list._end(market, False)
        return 0
    task: adl_task.Task = adl_task._task(market, account, standing)
    task = adl_open_list._take_out(task, count)
    outcome: adl_list.Outcome = adl_list._share_out(task)
    done: Done = self._after_list(empty(Done), task, standing, outcome)
    if task.whole or outcome.rest == 0:
        adl_open_list._end(market, False)
    self._settle_up(account, market, standing, liquidation_rules._unpacked(self.words[market]), done, True)
    return done.closed


@external
@nonreentrant
def end_list(market: uint256):
    """
    @notice End a list that has taken too long, or whose account is not bankrupt any more; in the first case the market
            goes by index for as long again. Open to anyone.
    @param market Market.
    """
    account: uint256 = adl_open_list._open_for(market)
    timed_out: bool = block.timestamp >= adl_open_list.open_lists[market].deadline
    assert (timed_out or (core._standing(account, market)).equity >= 0), "list: neither late nor settled"
    adl_open_list._end(market, timed_out)


@external
@nonreentrant
def repay_bad_debt(market: uint256) -> uint256:
    """
    @notice Let the vault pay debt that nobody could bear when it arose. Open to anyone.
    @param market Market.
    @return WAD repaid.
    """
    owed: uint256 = staticcall IClearinghouse(core.clearinghouse).unpaid(market)
    if owed == 0:
        return 0
    extcall IClearinghouse(core.clearinghouse).sweep_fees_for_cover(market)
    received: uint256 = (
        extcall Vault(core.vault).repay(market, (owed + core.unit - 1) // core.unit)
    ) * core.unit
    paid: uint256 = min(received, owed)
    if received > owed:
        extcall IClearinghouse(core.clearinghouse).distribute(market, msg.sender, 0, 0, 0, received - owed)
    if paid > 0:
        extcall IClearinghouse(core.clearinghouse).change_unpaid(market, -convert(paid, int256))
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
@nonreentrant
def set_deleverage_terms(market: uint256, terms: adl_terms.Terms):
    """
    @notice Set how a market shares out bankrupt positions. Only the owner, while no list is open.
    @param market Market.
    @param terms Policy (0: by index), timeout of a list (s), notional below which it goes by index (WAD, whole units).
    """
    access._only_owner()
    assert market < MAX_MARKETS, "market: unknown"
    assert adl_open_list.open_lists[market].account == 0, "list: open"
    adl_terms._set_terms(market, terms)


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
    standing: IClearinghouse.Standing = core._standing(account, market)
    if standing.equity >= standing.maintenance:
        return 0
    return self._closable(standing, liquidation_rules._unpacked(self.words[market]))


# waterfall


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
    params: liquidation_rules.Params = liquidation_rules._unpacked(self.words[market])
    target: uint256 = self._closable(standing, params)
    wanted: uint256 = target
    if max_size < target and not with_deleverage:
        wanted = max_size
        if max_size != 0:
            # no slivers: they would leave other people's orders in crumbs, or a position that is none
            least: uint256 = staticcall Book(standing.book).min_size()
            wanted = min(target, max(max_size, least))
            if convert(abs(standing.size), uint256) - wanted < least:
                wanted = target
    done: Done = self._close_on_book(account, market, wanted, standing, params)
    deleveraged: bool = False
    if with_deleverage and done.closed < target and not done.more:
        left: IClearinghouse.Standing = standing
        if done.closed != 0:
            left = core._standing(account, market)
        if left.equity < 0 and left.size != 0 and adl_terms._by_index(market, left):
            done = self._deleverage_by_index(account, market, done, left, False)
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
    params: liquidation_rules.Params,
    done: Done,
    deleveraged: bool,
):
    """
    @notice Clear what a flat account still owes, pay the keeper, and write it all to the log.
    """
    if deleveraged or standing.size == 0:
        self._resolve(account, market, 1 - standing.side)
    reward: uint256 = 0
    if done.notional > 0:
        reward = self._pay_keeper(
            market,
            liquidation_rules._reward(params, done.notional, done.closed, done.target),
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
def _close_on_book(
    account: uint256,
    market: uint256,
    wanted: uint256,
    standing: IClearinghouse.Standing,
    params: liquidation_rules.Params,
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
    due: uint256 = min(done.penalty, liquidation_rules._reward(params, wanted * mark // WAD, wanted, wanted))
    done.sent = done.penalty - due
    if done.sent > 0:
        extcall IClearinghouse(core.clearinghouse).distribute(market, msg.sender, 0, 0, done.sent, 0)
    extcall IClearinghouse(core.clearinghouse).sweep_fees_for_cover(market)
    terms.budget = (staticcall Vault(core.vault).coverage(market)) * core.unit
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
    paid: uint256 = self._cover(market, more.cover)
    if paid < more.cover:
        # the token took a fee on the way: the account has its cover, the debt is the market's
        missing: uint256 = more.cover - paid
        extcall IClearinghouse(core.clearinghouse).change_unpaid(market, convert(missing, int256))
        self.bad_debt[market].deficit += missing
        self.bad_debt[market].unpaid += missing
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


@internal
def _deleverage_by_index(
    account: uint256, market: uint256, before: Done, standing: IClearinghouse.Standing, at_mark: bool
) -> Done:
    """
    @notice Close what is left of a bankrupt account against the whole other side by size.
    @param at_mark Whether this side has borne its part already.
    """
    quote: int256 = 0
    worth: int256 = 0
    quote, worth = adl_task._price(standing)
    if at_mark:
        quote = worth
    quantity: uint256 = convert(abs(standing.size), uint256)
    extcall IClearinghouse(core.clearinghouse).deleverage(account, market, quantity, quote, [])
    self._log_receipt(
        account, market, empty(address), standing, quote, quantity, quantity, convert(quote - worth, uint256)
    )
    done: Done = before
    done.closed += quantity
    done.notional += quantity * convert(standing.mark, uint256) // WAD
    done.target = done.closed
    return done


@internal
def _after_list(
    before: Done, task: adl_task.Task, standing: IClearinghouse.Standing, outcome: adl_list.Outcome
) -> Done:
    """
    @notice Write the receipt of what a list has borne. Where winners were charged and that did not settle it, the position
            goes by index.
    """
    account: uint256 = task.case.account
    market: uint256 = task.case.market
    self._log_receipt(
        account,
        market,
        task.policy,
        standing,
        task.quote,
        outcome.quantity,
        outcome.by_index,
        outcome.haircut,
    )
    done: Done = before
    done.closed += outcome.quantity
    done.notional += outcome.quantity * task.case.mark // WAD
    # of what this call found: rows of a list that are served later are another call's
    done.target = done.closed + outcome.rest
    if task.charges:
        done.target = 0
        # nobody was closed: the keeper is paid for what was charged
        done.notional += outcome.haircut
        left: IClearinghouse.Standing = core._standing(account, market)
        if task.whole and left.equity < 0:
            # winners could not pay it all; or they have, and the debt that is left is from elsewhere: then at the mark
            return self._deleverage_by_index(account, market, done, left, outcome.rest == 0)
    return done


@internal
def _log_receipt(
    account: uint256,
    market: uint256,
    policy: address,
    standing: IClearinghouse.Standing,
    quote: int256,
    quantity: uint256,
    by_index: uint256,
    haircut: uint256,
):
    """
    @notice Write the receipt of a deleveraging.
    @param quote What the whole position was to receive (WAD, signed).
    """
    assets: uint256 = staticcall Vault(core.vault).pool_assets(market)
    log DeleverageReceipt(
        account=account,
        market=market,
        policy=policy,
        deficit=convert(-standing.equity, uint256),
        vault_before=assets,
        vault_after=assets,
        mark=convert(standing.mark, uint256),
        bankruptcy_price=quote * convert(WAD, int256) // standing.size,
        quantity=quantity,
        by_index=by_index,
        haircut=haircut,
    )


@internal
@view
def _bankrupt(account: uint256, market: uint256) -> IClearinghouse.Standing:
    """
    @notice An account that must be bankrupt.
    """
    standing: IClearinghouse.Standing = core._standing(account, market)
    assert standing.equity < 0, "deleverage: not bankrupt"
    return standing


@internal
def _resolve(account: uint256, market: uint256, winners: uint256):
    """
    @notice Clear what an account without positions still owes.
    """
    deficit: uint256 = staticcall IClearinghouse(core.clearinghouse).deficit(account)
    if deficit == 0:
        return
    extcall IClearinghouse(core.clearinghouse).sweep_fees_for_cover(market)
    covered: uint256 = self._cover(market, deficit)
    socialised: uint256 = 0
    treasury: uint256 = 0
    unpaid: uint256 = 0
    socialised, treasury, unpaid = extcall IClearinghouse(core.clearinghouse).resolve_deficit(
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
    paid: uint256 = (
        extcall Vault(core.vault).cover(market, (amount + core.unit - 1) // core.unit)
    ) * core.unit
    if paid > amount:
        extcall IClearinghouse(core.clearinghouse).distribute(market, msg.sender, 0, 0, 0, paid - amount)
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
        units: uint256 = (reward - from_penalty) // core.unit
        # after a deleveraging the pool is mostly empty; asking it is dearer than looking
        if units > 0 and (not deleveraged or staticcall Vault(core.vault).pool_assets(market) != 0):
            from_vault = (extcall Vault(core.vault).reward(market, units)) * core.unit
        if deleveraged:
            asked = reward - from_penalty - from_vault
    if from_penalty + from_vault + asked + penalty == 0:
        return 0
    return extcall IClearinghouse(core.clearinghouse).distribute(
        market, msg.sender, from_penalty + from_vault, asked, penalty - from_penalty, 0
    )


@internal
@view
def _closable(standing: IClearinghouse.Standing, params: liquidation_rules.Params) -> uint256:
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

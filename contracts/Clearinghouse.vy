# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Clearinghouse
@license Apache-2.0
@notice Holds the collateral, the margin accounts and their positions. Trades reach it from the order books, liquidations
        and deleveraging from the liquidator, prices from the oracle; nothing else can move a position.
        Prices, sizes and quote amounts are WAD; token amounts are in the token's own units.
"""

from ethereum.ercs import IERC20Detailed

from contracts.interfaces import IClearinghouse
from contracts.modules import accounts
from contracts.modules import fills
from contracts.modules import fixed_point
from contracts.modules import margin_schedule
from contracts.modules import markets
from contracts.modules import packing
from contracts.modules import side_index
from contracts.modules import token_transfer

initializes: margin_schedule
initializes: markets
initializes: accounts[margin_schedule := margin_schedule, markets := markets]
initializes: fills[accounts := accounts, markets := markets]

exports: (
    accounts.account_of,
    accounts.owner_of,
    accounts.accounts_count,
    accounts.collateral,
    accounts.position,
    accounts.health,
    fills.may_rest,
    margin_schedule.tiers,
    margin_schedule.margin_requirement,
    markets.market_words,
    markets.book_of,
    markets.fees,
)

MAX_MARKETS: constant(uint256) = 8
# counterparties in one call of `deleverage`
MAX_ROWS: constant(uint256) = 64
WAD: constant(int256) = 10**18
U32: constant(int256) = 2**32 - 1
U40: constant(int256) = 2**40 - 1
U96: constant(int256) = 2**96 - 1
U128: constant(uint256) = 2**128 - 1

# answers to an order book
FILLED: constant(uint256) = 0
MAKER_FAILED: constant(uint256) = 1
MARGIN: constant(uint256) = 2
STALE: constant(uint256) = 3
CLOSE_ONLY: constant(uint256) = 4
NEEDS_COVER: constant(uint256) = 6
MORE: constant(uint256) = 7
# flag of a fill
TAKER_REDUCE_ONLY: constant(uint256) = 4
# kinds of the vault's inflows
PENALTY: constant(uint256) = 1
FEE_SHARE: constant(uint256) = 2
# words that `Parameters` writes
TERMS: constant(uint256) = 0
FUNDING: constant(uint256) = 1
INTEREST: constant(uint256) = 2
TIERS: constant(uint256) = 3
FLAGS: constant(uint256) = 4

token: public(immutable(address))
vault: public(immutable(address))
unit: immutable(int256)
deployer: immutable(address)


interface Vault:
    def book_inflow(market: uint256, kind: uint256, amount: uint256): nonpayable


parameters: public(address)
oracle: public(address)
liquidator: public(address)
# deficits that neither vault, nor the winning side, nor the treasury could bear so far (WAD)
unpaid: public(uint256[MAX_MARKETS])


event Deposit:
    account: indexed(uint256)
    amount: uint256
    collateral: int256


event Withdrawal:
    account: indexed(uint256)
    receiver: indexed(address)
    amount: uint256
    collateral: int256


# the account bought size for quote, both signed; with size 0 quote is added to its entry value. For the bankrupt account,
# which comes last, what went by index is in it
event Deleveraged:
    market: indexed(uint256)
    account: indexed(uint256)
    bankrupt: uint256
    size: int256
    quote: int256
    account_collateral: int256


event FrozenSet:
    market: indexed(uint256)
    frozen: bool


event DeficitResolved:
    market: indexed(uint256)
    account: indexed(uint256)
    side: indexed(uint256)
    covered: uint256
    socialised: uint256
    from_treasury: uint256
    unpaid: uint256


event UnpaidChanged:
    market: indexed(uint256)
    change: int256


event RewardPaid:
    market: indexed(uint256)
    account: indexed(uint256)
    amount: uint256
    from_treasury: uint256
    collateral: int256


event TreasuryCollected:
    market: indexed(uint256)
    receiver: indexed(address)
    amount: uint256


event Wired:
    parameters: address
    oracle: address
    liquidator: address


@deploy
def __init__(collateral: address, insurance_vault: address, pricing: address):
    """
    @notice Deploy for one collateral token; the deployer then wires the other contracts.
    @param collateral ERC-20 with 6 to 18 decimals.
    @param insurance_vault Bears deficits; gets penalties and its share of fees.
    @param pricing Rules of mark price and funding rate.
    """
    markets.__init__(pricing)
    decimals: uint8 = staticcall IERC20Detailed(collateral).decimals()
    assert decimals >= 6 and decimals <= 18, "token: decimals"
    token = collateral
    vault = insurance_vault
    unit = convert(10**convert(18 - decimals, uint256), int256)
    deployer = msg.sender


# users


@external
@nonreentrant
def deposit(amount: uint256, beneficiary: address = msg.sender) -> uint256:
    """
    @notice Pay collateral into an account; the first deposit opens it.
    @param amount Token units.
    @param beneficiary Owner of the account.
    @return The account.
    """
    received: uint256 = token_transfer._pull(token, msg.sender, amount)
    assert received > 0, "deposit: nothing received"
    account: uint256 = accounts._open(beneficiary)
    collateral: int256 = accounts._credit(account, convert(received, int256) * unit)
    log Deposit(account=account, amount=received, collateral=collateral)
    return account


@external
@nonreentrant
def withdraw(amount: uint256, receiver: address = msg.sender):
    """
    @notice Take out settled collateral that the margin does not need. With a position it needs fresh prices.
    @param amount Token units.
    @param receiver Where it goes.
    """
    account: uint256 = accounts.account_of[msg.sender]
    wanted: int256 = convert(amount, int256) * unit
    assert wanted > 0 and wanted <= accounts._withdrawable(
        account
    ), "withdraw: nothing, or above what is withdrawable"
    if wanted > accounts._collateral(account):
        # what funding and deleveraging have realised is in the index until the positions are settled
        accounts._settle_all(account)
    collateral: int256 = accounts._credit(account, -wanted)
    token_transfer._push(token, receiver, amount)
    log Withdrawal(account=account, receiver=receiver, amount=amount, collateral=collateral)


@external
@nonreentrant
def poke(market: uint256):
    """
    @notice Accrue funding and renew mark and funding rate with the present book. Open to anyone, once a block.
    @param market Market.
    """
    self._require_market(market < MAX_MARKETS and markets.premiums[market] != 0)
    if ((markets.prices[market] >> 8) & U40) != convert(block.timestamp, int256):
        markets._accrue(market, 0, 0)


@external
@nonreentrant
def sweep_fees(market: uint256) -> uint256:
    """
    @notice Hand the vault its share of a market's fees. Open to anyone.
    @param market Market.
    @return Token units paid.
    """
    return self._sweep(market)


# order books


@external
@nonreentrant
def settle(
    taker: uint256,
    maker: uint256,
    market: uint256,
    size: int256,
    price: int256,
    order_id: uint256,
    flags: uint256,
) -> (uint256, int256):
    """
    @notice Settle a fill between two accounts, if both may take it. Only the market's order book.
    @param taker Account of the incoming order.
    @param maker Account of the resting order.
    @param market Market.
    @param size Size to fill (WAD).
    @param price Price of the resting order (WAD).
    @param order_id Id of the resting order, for the log.
    @param flags 1: the taker buys; 2: the resting order is reduce-only; 4: the incoming one is.
    @return 0 and the size filled, or why not: 1 the maker fails, 2 the taker's margin, 3 stale index or frozen market,
            4 close-only, 5 open-interest cap.
    """
    m: markets.Market = markets._load(market)
    self._only(convert(convert(m.terms & markets.U160, uint256), address))
    maker_before: accounts.Account = accounts._load(maker, market, m)
    maker_size: int256 = fills._maker_size(maker_before.size, size, flags)
    if maker_size == 0:
        return MAKER_FAILED, 0
    taker_before: accounts.Account = accounts._load(taker, market, m)
    opens: bool = fills._increases(taker_before.size, taker_before.size - maker_size)
    # a reduce-only taker opens when its position has ended with its epoch
    if opens and (m.flags & markets.CLOSE_ONLY != 0 or flags & TAKER_REDUCE_ONLY != 0):
        return CLOSE_ONLY, 0
    maker_opens: bool = fills._increases(maker_before.size, maker_before.size + maker_size)
    if opens or maker_opens:
        if markets._is_stale(market):
            return STALE, 0
    elif m.flags & markets.FROZEN != 0:
        return STALE, 0
    # who opens is margined at the marks of all that it holds
    if maker_before.rest_maintenance != 0 and maker_opens and accounts._any_stale(maker, maker_before.held):
        return MAKER_FAILED, 0
    if taker_before.rest_maintenance != 0 and opens and accounts._any_stale(taker, taker_before.held):
        return STALE, 0

    taker_after: accounts.Account = empty(accounts.Account)
    taker_fee: int256 = 0
    allowed: bool = False
    taker_after, taker_fee, allowed = fills._leg(
        taker_before, market, m, -maker_size, price, (m.terms >> 192) & U32
    )
    if not allowed:
        return MARGIN, 0
    answer: uint256 = fills._complete(
        market, m, taker_before.size, taker_after, taker_fee, maker_before, maker_size, price, order_id, False
    )
    if answer != FILLED:
        return answer, 0
    return FILLED, abs(maker_size)


@external
@nonreentrant
def liquidation_fill(
    account: uint256,
    maker: uint256,
    market: uint256,
    size: int256,
    price: int256,
    order_id: uint256,
    flags: uint256,
    penalty_rate: int256,
    surplus_share: int256,
    budget: int256,
) -> (uint256, int256, int256, int256):
    """
    @notice Settle a fill that closes a liquidated account's position. Against the bankruptcy price: better, the account
            pays the penalty out of its surplus; worse, the account is made whole out of the budget. Only the order book.
    @param account Liquidated account; the liquidator has checked it.
    @param maker Account of the resting order.
    @param market Market.
    @param size Size to fill (WAD).
    @param price Price of the resting order (WAD).
    @param order_id Id of the resting order, for the log.
    @param flags 1: the liquidated account buys; 2: the resting order is reduce-only.
    @param penalty_rate Share of notional (WAD).
    @param surplus_share Share of what the penalty leaves of the surplus that goes to the vault too (WAD).
    @param budget What the vault can pay (WAD).
    @return Answer as `settle`, or 6 where the vault would have to pay more than the budget, with what the budget is enough
            for; size filled (WAD), penalty and cover (WAD).
    """
    m: markets.Market = markets._load(market)
    self._only(convert(convert(m.terms & markets.U160, uint256), address))
    maker_before: accounts.Account = accounts._load(maker, market, m)
    before: accounts.Account = accounts._load(account, market, m)
    maker_size: int256 = fills._maker_size(maker_before.size, size, flags)
    if maker_size == 0 or (
        maker_before.rest_maintenance != 0
        and fills._increases(maker_before.size, maker_before.size + maker_size)
        and accounts._any_stale(maker, maker_before.held)
    ):
        return MAKER_FAILED, 0, 0, 0
    if before.size == 0:
        # the position has ended with its epoch in the middle of the walk
        return MORE, 0, 0, 0

    after: accounts.Account = empty(accounts.Account)
    surplus: int256 = 0
    after, surplus = fills._closed(before, market, m, -maker_size, price)
    answer: uint256 = FILLED
    if -surplus > budget:
        # the part of the fill that the budget can make whole; 4 wei are for the rounding of quote, equities and share
        answer = NEEDS_COVER
        maker_size = maker_size * max(budget - 4, 0) // -surplus
        if maker_size == 0:
            return NEEDS_COVER, 0, 0, 0
        after, surplus = fills._closed(before, market, m, -maker_size, price)
    penalty: int256 = 0
    cover: int256 = max(-surplus, 0)
    if surplus > 0:
        penalty = min(fixed_point._ceil_div(accounts._value(maker_size, price) * penalty_rate, WAD), surplus)
        penalty += (surplus - penalty) * surplus_share // WAD
    after.collateral += cover - penalty
    refused: uint256 = fills._complete(
        market, m, before.size, after, penalty - cover, maker_before, maker_size, price, order_id, True
    )
    if refused != FILLED:
        return refused, 0, 0, 0
    return answer, abs(maker_size), penalty, cover


# liquidator


@external
@view
def standing(account: uint256, market: uint256) -> IClearinghouse.Standing:
    """
    @notice An account as a liquidation in a market finds it.
    @param account Account.
    @param market Market.
    """
    m: markets.Market = markets._load(market)
    a: accounts.Account = accounts._load(account, market, m)
    notional: int256 = accounts._value(a.size, m.mark)
    tier: uint256 = margin_schedule._tier(market, notional)
    maintenance: int256 = margin_schedule._maintenance(tier, notional)
    return IClearinghouse.Standing(
        book=convert(convert(m.terms & markets.U160, uint256), address),
        equity=accounts._equity(a, m.mark),
        maintenance=maintenance + a.rest_maintenance,
        position_maintenance=maintenance,
        size=a.size,
        mark=m.mark,
        maintenance_rate=convert((tier & (2**40 - 1)) * 10**6, int256),
        held=a.held & (1 << market) != 0,
        side=accounts._side_of(accounts.positions[(account << 3) | market][0]),
        stale=accounts._any_stale(account, a.held),
        entry=a.entry,
        collateral=a.collateral,
        open_interest=m.open_interest,
    )


@external
@nonreentrant
def deleverage(
    account: uint256, market: uint256, quantity: uint256, quote: int256, rows: DynArray[int256, MAX_ROWS]
):
    """
    @notice Close a position without a fee: against listed counterparties and, besides, against the whole other side by
            size. What one receives the others pay. Only the liquidator, which has the rules.
    @param account Account to close.
    @param market Market.
    @param quantity What is closed by size (WAD).
    @param quote What the account receives for that (WAD, signed).
    @param rows A word a counterparty: quote i128 that it pays (WAD) | size u96 that it closes (WAD) | account u32. With
                size 0 its profit pays: its entry value changes.
    """
    self._only(self.liquidator)
    m: markets.Market = markets._load(market)
    before: accounts.Account = accounts._load(account, market, m)
    counter: uint256 = markets.SHORT
    sign: int256 = 1
    if before.size < 0:
        counter = markets.LONG
        sign = -1
    closed: int256 = 0
    received: int256 = quote
    for row: int256 in rows:
        a: accounts.Account = accounts._load(convert(row & U32, uint256), market, m)
        size: int256 = (row >> 32) & U96
        # unsafe: 96 bits; nobody's position grows or changes sides
        assert unsafe_mul(a.size, -sign) >= size  # dev: not a counterparty
        closed += size
        received += row >> 128
        self._deleverage(a, market, m, sign * size, row >> 128, account)
    by_index: int256 = convert(quantity, int256)
    m.open_interest -= closed
    if by_index != 0:
        m = markets._close_pro_rata(market, m, counter, by_index, -quote)
        closed += by_index
    assert closed <= abs(before.size)  # dev: more than the position
    renewed: markets.Market = markets._renew_if_empty(market, m)
    # of the old epoch, if that has just ended
    self._deleverage(before, market, m, -sign * closed, -received, account)
    markets._store_interest(market, renewed)
    if by_index != 0 or renewed.epoch[0] != m.epoch[0]:
        markets._store_indices(market, renewed)


@external
@view
def deficit(account: uint256) -> uint256:
    """
    @notice What an account without positions owes (WAD); 0 while it has a position.
    @param account Account.
    """
    flat: bool = False
    settled: int256 = 0
    flat, settled = accounts._flat_collateral(account)
    if not flat:
        return 0
    return convert(max(-settled, 0), uint256)


@external
@nonreentrant
def resolve_deficit(
    account: uint256, market: uint256, side: uint256, cover: uint256
) -> (uint256, uint256, uint256):
    """
    @notice Clear the debt of an account without positions: by what the vault paid, then by a charge on the winning side
            up to its notional, then by the treasury's fees; the rest is written to `unpaid`. Only the liquidator.
    @param account Account.
    @param market Market whose winners are charged.
    @param side Winning side (0 long, 1 short).
    @param cover What the vault paid (WAD), at most the debt.
    @return Socialised, paid by the treasury and unpaid (WAD).
    """
    self._only(self.liquidator)
    flat: bool = False
    settled: int256 = 0
    flat, settled = accounts._flat_collateral(account)
    rest: int256 = -settled - convert(cover, int256)
    assert flat and rest >= 0  # dev: no deficit
    m: markets.Market = markets._load(market)
    held: int256 = accounts._held(account)
    # who holds the winning side of a later epoch has won nothing from this account
    bearable: int256 = 0
    if held & (1 << market) == 0 or accounts.positions[(account << 3) | market][0] & U32 == m.epoch[1 - side]:
        bearable = fixed_point._floor_div(m.open_interest * m.mark, WAD)
    for i: uint256 in range(MAX_MARKETS):
        if held & (1 << i) != 0:
            accounts.positions[(account << 3) | i] = [0, 0]
    accounts.words[account] = 0

    socialised: int256 = min(rest, bearable)
    from_treasury: uint256 = 0
    if socialised > 0:
        m.k[side] = side_index._after_spread(m.k[side], m.a[side], -socialised, m.open_interest)
        markets._store_indices(market, m)
        log markets.IndexMoved(
            market=market, side=side, a=m.a[side], k=m.k[side], open_interest=m.open_interest
        )
    if rest > socialised:
        from_treasury = markets._from_treasury(market, convert(rest - socialised, uint256))
    left: uint256 = convert(rest - socialised, uint256) - from_treasury
    if left > 0:
        self.unpaid[market] += left
    log DeficitResolved(
        market=market,
        account=account,
        side=side,
        covered=cover,
        socialised=convert(socialised, uint256),
        from_treasury=from_treasury,
        unpaid=left,
    )
    return convert(socialised, uint256), from_treasury, left


@external
@nonreentrant
def set_frozen(market: uint256, frozen: bool):
    """
    @notice Stop a market while a list of its accounts is handed in, or let it go on: no fills, the mark stays, it counts as
            stale. Only the liquidator.
    @param market Market.
    @param frozen Whether it is stopped.
    """
    self._only(self.liquidator)
    word: int256 = self._without_flag(market, markets.FROZEN)
    if frozen:
        word |= markets.FROZEN
    markets.prices[market] = word
    log FrozenSet(market=market, frozen=frozen)


@external
@nonreentrant
def change_unpaid(market: uint256, change: int256):
    """
    @notice Book debt that the vault has paid now, or could not pay. Only the liquidator.
    @param market Market.
    @param change WAD, negative: paid.
    """
    self._only(self.liquidator)
    self.unpaid[market] = convert(convert(self.unpaid[market], int256) + change, uint256)
    log UnpaidChanged(market=market, change=change)


@external
@nonreentrant
def distribute(
    market: uint256, keeper: address, reward: uint256, asked: uint256, to_vault: uint256, dust: uint256
) -> uint256:
    """
    @notice Pay out what a liquidation brought in: the reward to the keeper's account (opened if need be), the rest of the
            penalty to the vault. What is below a token unit goes to the treasury. Only the liquidator.
    @param market Market.
    @param keeper Owner of the account.
    @param reward What penalty and vault provide for it (WAD).
    @param asked What may be taken from the treasury's fees besides (WAD).
    @param to_vault The vault's part (WAD).
    @param dust What goes to the treasury besides (WAD).
    @return Reward paid (WAD).
    """
    self._only(self.liquidator)
    paid: uint256 = reward
    from_treasury: uint256 = 0
    if asked > 0:
        from_treasury = markets._from_treasury(market, asked)
        paid += from_treasury
    if paid > 0:
        account: uint256 = accounts._open(keeper)
        collateral: int256 = accounts._credit(account, convert(paid, int256))
        log RewardPaid(
            market=market, account=account, amount=paid, from_treasury=from_treasury, collateral=collateral
        )
    units: uint256 = to_vault // convert(unit, uint256)
    rest: uint256 = to_vault - units * convert(unit, uint256) + dust
    if rest > 0:
        markets.fees_owed[market] += rest
    if units > 0:
        self._send_vault(market, PENALTY, units)
    return paid


@external
@nonreentrant
def sweep_fees_for_cover(market: uint256) -> uint256:
    """
    @notice `sweep_fees` inside a liquidation. Only the liquidator.
    @param market Market.
    @return Token units paid.
    """
    self._only(self.liquidator)
    return self._sweep(market)


# oracle and parameters


@external
@nonreentrant
def update_index(market: uint256, price: uint256, timestamp: uint256):
    """
    @notice Take a new index price. Only the oracle, which has checked price and time.
    @param market Market.
    @param price Index (WAD).
    @param timestamp Of the price (s).
    """
    self._only(self.oracle)
    self._require_market(markets.terms[market] != 0)
    markets._accrue(market, price, timestamp)


@external
@nonreentrant
def wire(new_parameters: address, new_oracle: address, new_liquidator: address):
    """
    @notice Name the other contracts, once. Only the deployer.
    @param new_parameters Opens markets and sets their terms.
    @param new_oracle Posts index prices.
    @param new_liquidator Liquidates.
    """
    self._only(deployer)
    assert self.parameters == empty(address), "wire: done"
    self.parameters = new_parameters
    self.oracle = new_oracle
    self.liquidator = new_liquidator
    log Wired(parameters=new_parameters, oracle=new_oracle, liquidator=new_liquidator)


@external
@nonreentrant
def set_word(kind: uint256, market: uint256, slot: uint256, word: int256):
    """
    @notice Write a parameter word, after funding was accrued with the old ones; the first terms open the market. Only
            the parameters contract, which checks, packs and logs them.
    @param kind 0 terms, 1 funding, 2 open-interest cap (shifted to its place), 3 margin tier, 4 flags.
    @param market Market.
    @param slot Tier.
    @param word As `modules/packing.vy` and `modules/margin_schedule.vy` lay them out.
    """
    self._only(self.parameters)
    if markets.terms[market] == 0:
        markets.indices[market] = [side_index.A_ONE, side_index.A_ONE]
        markets.prices[market] = convert(block.timestamp << 8, int256)
    elif markets.premiums[market] != 0:
        markets._accrue(market, 0, 0)
    if kind == TERMS:
        markets.terms[market] = word
    elif kind == FUNDING:
        markets.funding[market] = word
    elif kind == INTEREST:
        markets.interests[market] = (markets.interests[market] & (-1 - (markets.U80 << 64))) | word
    elif kind == TIERS:
        margin_schedule.tiers[market][slot] = convert(word, uint256)
    else:
        markets.prices[market] = self._without_flag(market, markets.CLOSE_ONLY) | word


@external
@nonreentrant
def collect_treasury(market: uint256, receiver: address) -> uint256:
    """
    @notice Send out the treasury's part of a market's fees. Only the parameters contract.
    @param market Market.
    @param receiver Where it goes.
    @return Token units sent.
    """
    self._only(self.parameters)
    units: uint256 = (markets.fees_owed[market] & U128) // convert(unit, uint256)
    markets.fees_owed[market] -= units * convert(unit, uint256)
    token_transfer._push(token, receiver, units)
    log TreasuryCollected(market=market, receiver=receiver, amount=units)
    return units


# views


@external
@view
def withdrawable(account: uint256) -> uint256:
    """
    @notice What `withdraw` would pay now, in token units.
    @param account Account.
    """
    return convert(accounts._withdrawable(account) // unit, uint256)


# money


@internal
def _deleverage(
    a: accounts.Account, market: uint256, m: markets.Market, size: int256, quote: int256, bankrupt: uint256
):
    """
    @notice One side of a deleveraging: the account buys `size` for `quote` (WAD, signed). With size 0 its profit pays: what
            the position has cost changes.
    """
    after: accounts.Account = a
    if size == 0:
        after.entry += quote
    else:
        after = accounts._trade(a, size, quote)
    accounts._store(after, market, m)
    log Deleveraged(
        market=market,
        account=a.id,
        bankrupt=bankrupt,
        size=size,
        quote=quote,
        account_collateral=after.collateral,
    )


@internal
@view
def _without_flag(market: uint256, flag: int256) -> int256:
    """
    @notice A market's price word with one flag down.
    """
    return (markets.prices[market] | flag) ^ flag


@internal
def _sweep(market: uint256) -> uint256:
    """
    @notice Pay the vault's share of fees out, in whole token units.
    """
    fees: uint256 = markets.fees_owed[market]
    units: uint256 = (fees >> 128) // convert(unit, uint256)
    if units > 0:
        markets.fees_owed[market] = fees - ((units * convert(unit, uint256)) << 128)
        units = self._send_vault(market, FEE_SHARE, units)
    return units


@internal
def _send_vault(market: uint256, kind: uint256, units: uint256) -> uint256:
    """
    @notice Transfer token units to the vault, which books, and logs, what arrived.
    @return Token units sent.
    """
    held: uint256 = token_transfer._balance(token, self)
    if held < units:
        # a deficit is unpaid, and who has won it has taken the tokens away: the vault gets its part with its fees, later
        markets.fees_owed[market] += (units * convert(unit, uint256)) << 128
        return 0
    extcall Vault(vault).book_inflow(market, kind, token_transfer._push_from(token, vault, units, held))
    return units


@internal
@pure
def _require_market(found: bool):
    """
    @notice Refuse markets that are not there.
    """
    assert found, "market: unknown or without a price"


@internal
@view
def _only(caller: address):
    """
    @notice Refuse every caller but one.
    """
    assert msg.sender == caller, "clearinghouse: not authorised"

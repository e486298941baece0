# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Accounts
@license Apache-2.0
@notice Cross-margin accounts and their positions. An account is a number, one an address, given at its first deposit.
        `Account` is an account seen from one market: what it holds there, settled to now, and what its positions
        elsewhere add to equity and margin.
@dev Arithmetic on packed fields is unchecked: sizes are below 2**96, prices below 2**88, money below 2**128, so sums and
     products of two stay below 2**255. What is written back is checked when it is packed.
"""

from contracts.modules import fixed_point
from contracts.modules import margin_schedule
from contracts.modules import markets
from contracts.modules import packing
from contracts.modules import side_index

uses: margin_schedule
uses: markets

MAX_MARKETS: constant(uint256) = 8
WAD: constant(int256) = 10**18
U32: constant(int256) = 2**32 - 1
U120: constant(int256) = 2**120 - 1


struct Account:
    id: uint256
    # stored collateral and what settling this market's position adds (WAD); bit i of held: a position in market i
    collateral: int256
    held: int256
    size: int256
    entry: int256
    # equity, initial and maintenance margin of the positions elsewhere (WAD)
    rest_equity: int256
    rest_initial: int256
    rest_maintenance: int256


account_of: public(HashMap[address, uint256])
owner_of: public(HashMap[uint256, address])
accounts_count: public(uint256)
words: HashMap[uint256, int256]
positions: HashMap[uint256, int256[2]]


event AccountOpened:
    account: indexed(uint256)
    owner: indexed(address)


@external
@view
def health(account: uint256) -> (int256, int256, int256):
    """
    @notice Equity, initial margin and maintenance margin (WAD), all positions settled to now.
    @param account Account.
    """
    equity: int256 = 0
    initial: int256 = 0
    maintenance: int256 = 0
    equity, initial, maintenance = self._rest(account, self._held(account))
    return equity + self._collateral(account), initial, maintenance


@external
@view
def collateral(account: uint256) -> int256:
    """
    @notice Stored collateral (WAD, signed), before unsettled funding.
    @param account Account.
    """
    return self._collateral(account)


@external
@view
def position(account: uint256, market: uint256) -> (int256, int256, int256):
    """
    @notice Size and entry value (WAD), settled to now, and what settling adds to the collateral (WAD).
    @param account Account.
    @param market Market.
    """
    size: int256 = 0
    entry: int256 = 0
    gain: int256 = 0
    mark: int256 = 0
    if self._held(account) & (1 << market) != 0:
        size, entry, gain, mark = self._position(account, market)
    return size, entry, gain


@internal
def _open(owner: address) -> uint256:
    """
    @notice The account of an address, opened if it has none.
    """
    account: uint256 = self.account_of[owner]
    if account == 0:
        assert owner != empty(address), "account: zero address"
        account = self.accounts_count + 1
        assert account < 2**32, "account: too many"
        self.accounts_count = account
        self.account_of[owner] = account
        self.owner_of[account] = owner
        log AccountOpened(account=account, owner=owner)
    return account


@internal
@view
def _collateral(account: uint256) -> int256:
    """
    @notice Stored collateral (WAD, signed).
    """
    return self.words[account] >> 128


@internal
@view
def _held(account: uint256) -> int256:
    """
    @notice Bit i is set where the account has a position stored in market i.
    """
    return self.words[account] & 255


@internal
def _credit(account: uint256, amount: int256) -> int256:
    """
    @notice Add to an account's collateral (WAD, signed) and return what it is then.
    """
    word: int256 = self.words[account]
    collateral: int256 = (word >> 128) + amount
    self.words[account] = packing._account(collateral, word & 255)
    return collateral


@internal
@view
def _load(account: uint256, market: uint256, m: markets.Market) -> Account:
    """
    @notice An account seen from a loaded market.
    """
    word: int256 = self.words[account]
    held: int256 = word & 255
    a: Account = Account(
        id=account,
        collateral=word >> 128,
        held=held,
        size=0,
        entry=0,
        rest_equity=0,
        rest_initial=0,
        rest_maintenance=0,
    )
    bit: int256 = 1 << market
    if held & bit != 0:
        words: int256[2] = self.positions[(account << 3) | market]
        side: uint256 = self._side_of(words[0])
        gain: int256 = 0
        a.size, a.entry, gain = self._settled(
            words[0], words[1], market, side, m.a[side], m.k[side], m.epoch[side]
        )
        a.collateral += gain
    elsewhere: int256 = (held | bit) ^ bit
    if elsewhere != 0:
        a.rest_equity, a.rest_initial, a.rest_maintenance = self._rest(account, elsewhere)
    return a


@internal
@view
def _load_at(account: uint256, market: uint256) -> Account:
    """
    @notice `_load` for who needs no more of the market than the account's own position.
    """
    word: int256 = self.words[account]
    held: int256 = word & 255
    bit: int256 = 1 << market
    a: Account = empty(Account)
    a.id = account
    a.held = held
    a.collateral = word >> 128
    if held & bit != 0:
        gain: int256 = 0
        mark: int256 = 0
        a.size, a.entry, gain, mark = self._position(account, market)
        a.collateral += gain
    elsewhere: int256 = (held | bit) ^ bit
    if elsewhere != 0:
        a.rest_equity, a.rest_initial, a.rest_maintenance = self._rest(account, elsewhere)
    return a


@internal
@pure
def _side_of(holding: int256) -> uint256:
    """
    @notice 0 for a long, 1 for a short.
    """
    if holding < 0:
        return 1
    return 0


@internal
@view
def _settled(
    holding: int256, seen: int256, market: uint256, side: uint256, a: int256, k: int256, epoch: int256
) -> (int256, int256, int256):
    """
    @notice Size, entry value and gain (WAD) of a stored position once settled against its side's index.
    """
    opened: int256 = holding & U32
    if opened != epoch:
        return side_index._settle(
            holding >> 160,
            (holding << 96) >> 128,
            seen & U120,
            seen >> 120,
            0,
            markets.final_k[markets._epoch_key(market, side, opened)],
        )
    return side_index._settle(holding >> 160, (holding << 96) >> 128, seen & U120, seen >> 120, a, k)


@internal
@view
def _position(account: uint256, market: uint256) -> (int256, int256, int256, int256):
    """
    @notice Size, entry value and gain (WAD) of a stored position, settled to now, and the market's mark.
    """
    words: int256[2] = self.positions[(account << 3) | market]
    side: uint256 = self._side_of(words[0])
    mark: int256 = 0
    a: int256 = 0
    k: int256 = 0
    epoch: int256 = 0
    mark, a, k, epoch = markets._side(market, side)
    size: int256 = 0
    entry: int256 = 0
    gain: int256 = 0
    size, entry, gain = self._settled(words[0], words[1], market, side, a, k, epoch)
    return size, entry, gain, mark


@internal
@view
def _rest(account: uint256, held: int256) -> (int256, int256, int256):
    """
    @notice Equity, initial and maintenance margin (WAD) of the positions in the markets of a bitmap.
    """
    equity: int256 = 0
    initial: int256 = 0
    maintenance: int256 = 0
    for market: uint256 in range(MAX_MARKETS):
        if held >> market == 0:
            break
        if held & (1 << market) == 0:
            continue
        size: int256 = 0
        entry: int256 = 0
        gain: int256 = 0
        mark: int256 = 0
        size, entry, gain, mark = self._position(account, market)
        # unsafe: 96 + 88 bits, sums of eight
        equity = unsafe_add(
            equity,
            unsafe_add(gain, unsafe_sub(fixed_point._floor_div(unsafe_mul(size, mark), WAD), entry)),
        )
        im: int256 = 0
        mm: int256 = 0
        im, mm = margin_schedule._requirement(market, self._value(size, mark))
        initial = unsafe_add(initial, im)
        maintenance = unsafe_add(maintenance, mm)
    return equity, initial, maintenance


@internal
def _store(a: Account, market: uint256, m: markets.Market):
    """
    @notice Write an account and its position in a market, which has now seen the market's side index.
    """
    key: uint256 = (a.id << 3) | market
    bit: int256 = 1 << market
    held: int256 = a.held
    if a.size != 0:
        side: uint256 = self._side_of(a.size)
        self.positions[key] = [
            packing._holding(a.size, a.entry, m.epoch[side]), packing._index(m.a[side], m.k[side])
        ]
        held |= bit
    elif held & bit != 0:
        self.positions[key] = [0, 0]
        held ^= bit
    self.words[a.id] = packing._account(a.collateral, held)


@internal
@pure
def _equity(a: Account, mark: int256) -> int256:
    """
    @notice Equity (WAD, rounded down) of an account.
    """
    # unsafe: money below 2**128, 96 + 88 bits
    return unsafe_add(
        unsafe_add(a.collateral, fixed_point._floor_div(unsafe_mul(a.size, mark), WAD)),
        unsafe_sub(a.rest_equity, a.entry),
    )


@internal
@pure
def _value(size: int256, price: int256) -> int256:
    """
    @notice Notional (WAD, rounded up) of a size at a price.
    """
    # unsafe: 96 + 88 bits
    return fixed_point._ceil_div(unsafe_mul(abs(size), price), WAD)


@internal
@view
def _margins(a: Account, market: uint256, mark: int256) -> (int256, int256):
    """
    @notice Initial and maintenance margin (WAD, rounded up) of an account's position in the market it is seen from.
    """
    return margin_schedule._requirement(market, self._value(a.size, mark))


@internal
@pure
def _trade(a: Account, size: int256, quote: int256) -> Account:
    """
    @notice The account after it bought `size` (WAD, signed) for `quote` (WAD, signed). Collateral minus entry value
            changes by the quote exactly, however the two are split.
    """
    after: Account = a
    # unsafe throughout: sizes of 96 bits, money of 128
    after.size = unsafe_add(a.size, size)
    if a.size == 0 or (a.size > 0) == (size > 0):
        after.entry = unsafe_add(a.entry, quote)
        return after
    if after.size == 0:
        after.entry = 0
    elif (after.size > 0) == (a.size > 0):
        after.entry = unsafe_div(unsafe_mul(a.entry, after.size), a.size)
    else:
        after.entry = unsafe_div(unsafe_mul(quote, after.size), size)
    after.collateral = unsafe_sub(unsafe_add(a.collateral, after.entry), unsafe_add(a.entry, quote))
    return after


@internal
@view
def _any_stale(account: uint256, held: int256) -> bool:
    """
    @notice Whether a market of a bitmap is stale in which the account's position is still open.
    """
    for i: uint256 in range(MAX_MARKETS):
        if held >> i == 0:
            break
        if held & (1 << i) != 0 and markets._is_stale(i) and self._position(account, i)[0] != 0:
            return True
    return False

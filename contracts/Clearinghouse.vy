# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Clearinghouse
@license Apache-2.0
@notice Holds the collateral, the margin accounts and their positions. Trades reach it from the order books, liquidations
        and deleveraging from the liquidator, prices from the oracle; nothing else can move a position.
        Prices, sizes and quote amounts are WAD; token amounts are in the token's own units.
@dev Here is what oracle and parameters do to a market. The rest is in modules: `custody` (what users pay in and take out),
     `settlement` (fills of the order books), `closeouts` and `deficits` (what the liquidator does), `revenue` (where
     penalties and fees go), on top of `accounts`, `fills` and `markets`.
"""

from contracts.modules import accounts
from contracts.modules import closeouts
from contracts.modules import custody
from contracts.modules import deficits
from contracts.modules import fills
from contracts.modules import margin_schedule
from contracts.modules import markets
from contracts.modules import revenue
from contracts.modules import settlement
from contracts.modules import side_index
from contracts.modules import wiring

initializes: margin_schedule
initializes: markets
initializes: accounts[margin_schedule := margin_schedule, markets := markets]
initializes: fills[accounts := accounts, markets := markets]
initializes: wiring
initializes: custody[accounts := accounts, markets := markets]
initializes: settlement[accounts := accounts, fills := fills, markets := markets]
initializes: closeouts[
    accounts := accounts, margin_schedule := margin_schedule, markets := markets, wiring := wiring
]
initializes: deficits[accounts := accounts, markets := markets, wiring := wiring]
initializes: revenue[accounts := accounts, custody := custody, markets := markets, wiring := wiring]

exports: (
    accounts.account_of,
    accounts.owner_of,
    accounts.accounts_count,
    accounts.collateral,
    accounts.position,
    accounts.health,
    margin_schedule.tiers,
    margin_schedule.margin_requirement,
    markets.market_words,
    markets.book_of,
    markets.fees,
)
exports: (
    fills.may_rest,
    settlement.settle,
    settlement.liquidation_fill,
)
exports: (
    closeouts.standing,
    closeouts.deleverage,
    closeouts.set_frozen,
    deficits.unpaid,
    deficits.deficit,
    deficits.resolve_deficit,
    deficits.change_unpaid,
)
exports: (
    custody.token,
    custody.deposit,
    custody.withdraw,
    custody.withdrawable,
)
exports: (
    revenue.vault,
    revenue.sweep_fees,
    revenue.sweep_fees_for_cover,
    revenue.distribute,
    revenue.collect_treasury,
)
exports: (
    wiring.parameters,
    wiring.oracle,
    wiring.liquidator,
    wiring.wire,
)

MAX_MARKETS: constant(uint256) = 8
U40: constant(int256) = 2**40 - 1
# words that `Parameters` writes
TERMS: constant(uint256) = 0
FUNDING: constant(uint256) = 1
INTEREST: constant(uint256) = 2
TIERS: constant(uint256) = 3


@deploy
def __init__(collateral: address, insurance_vault: address, pricing: address):
    """
    @notice Deploy for one collateral token; the deployer then wires the other contracts.
    @param collateral ERC-20 with 6 to 18 decimals.
    @param insurance_vault Bears deficits; gets penalties and its share of fees.
    @param pricing Rules of mark price and funding rate.
    """
    markets.__init__(pricing)
    wiring.__init__()
    custody.__init__(collateral)
    revenue.__init__(insurance_vault)


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
def update_index(market: uint256, price: uint256, timestamp: uint256):
    """
    @notice Take a new index price. Only the oracle, which has checked price and time.
    @param market Market.
    @param price Index (WAD).
    @param timestamp Of the price (s).
    """
    wiring._only(wiring.oracle)
    self._require_market(markets.terms[market] != 0)
    markets._accrue(market, price, timestamp)


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
    wiring._only(wiring.parameters)
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
        markets.prices[market] = markets._without_flag(market, markets.CLOSE_ONLY) | word


@internal
@pure
def _require_market(found: bool):
    """
    @notice Refuse markets that are not there.
    """
    assert found, "market: unknown or without a price"

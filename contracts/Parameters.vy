# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Parameters
@license Apache-2.0
@notice Opens markets and sets their terms: checks them, packs them and writes them into the clearinghouse, which accrues
        funding with the old ones first. Rates are WAD.
"""

from contracts.modules import access

initializes: access

exports: (
    access.owner,
    access.pending_owner,
    access.guardian,
    access.transfer_ownership,
    access.accept_ownership,
    access.set_guardian,
)

MAX_MARKETS: constant(uint256) = 8
MAX_TIERS: constant(uint256) = 8
WAD: constant(int256) = 10**18
PPB: constant(int256) = 10**9
BP: constant(uint256) = 10**4
U16: constant(uint256) = 2**16 - 1
U32: constant(uint256) = 2**32 - 1
# limits of margin tiers are kept in 1e6 wei, their rates in 1e-12
LIMIT_UNIT: constant(uint256) = 10**6
RATE_UNIT: constant(uint256) = 10**6
RATE_ONE: constant(uint256) = 10**12
CAP_UNIT: constant(uint256) = 10**6
# words of the clearinghouse
TERMS: constant(uint256) = 0
FUNDING: constant(uint256) = 1
INTEREST: constant(uint256) = 2
TIERS: constant(uint256) = 3
FLAGS: constant(uint256) = 4

clearinghouse: public(immutable(address))


struct MarketTerms:
    # fee rates (WAD, kept in 1e-9; the maker's may be negative), the vault's share of fees (bp), max age of the index (s)
    maker_fee: int256
    taker_fee: int256
    vault_share: uint256
    max_age: uint256


struct FundingTerms:
    # interest, clamp and cap per 8 h, band of the mark around the index (WAD, kept in 1e-9), time constants (s)
    interest: int256
    clamp: uint256
    cap: uint256
    band: uint256
    basis_time: uint256
    premium_time: uint256


struct Tier:
    # notional up to which it serves (WAD, kept in 1e6 wei), rates (WAD, kept in 1e-12), deduction (WAD)
    limit: uint256
    initial_rate: uint256
    maintenance_rate: uint256
    deduction: uint256


interface Book:
    def market() -> uint256: view
    def clearinghouse() -> address: view


interface Clearinghouse:
    def set_word(kind: uint256, market: uint256, slot: uint256, word: int256): nonpayable
    def collect_treasury(market: uint256, receiver: address) -> uint256: nonpayable


markets_count: public(uint256)
books: public(address[MAX_MARKETS])


event MarketAdded:
    market: indexed(uint256)
    book: address


event TermsSet:
    market: indexed(uint256)
    terms: MarketTerms


event FundingTermsSet:
    market: indexed(uint256)
    terms: FundingTerms


event OpenInterestCapSet:
    market: indexed(uint256)
    cap: uint256


event MarginTiersSet:
    market: indexed(uint256)
    tiers: DynArray[Tier, MAX_TIERS]


event CloseOnlySet:
    market: indexed(uint256)
    close_only: bool


@deploy
def __init__(clearinghouse_: address, owner: address):
    """
    @notice Deploy for one clearinghouse.
    @param clearinghouse_ Where the words are written.
    @param owner First owner.
    """
    access.__init__(owner)
    clearinghouse = clearinghouse_


@external
@nonreentrant
def add_market(
    book: address, terms: MarketTerms, funding: FundingTerms, tiers: DynArray[Tier, MAX_TIERS], cap: uint256
) -> uint256:
    """
    @notice Open a market. Only the owner.
    @param book Its order book.
    @param terms Fees, vault share, max age of the index.
    @param funding Funding and mark terms.
    @param tiers Margin schedule.
    @param cap Open-interest cap (WAD size).
    @return The market.
    """
    access._only_owner()
    market: uint256 = self.markets_count
    assert market < MAX_MARKETS, "market: too many"
    assert book.is_contract, "market: book has no code"
    # a book cannot be exchanged later
    assert (
        staticcall Book(book).market() == market and staticcall Book(book).clearinghouse() == clearinghouse
    ), "market: book of another market"
    self.markets_count = market + 1
    self.books[market] = book
    log MarketAdded(market=market, book=book)
    self._set_terms(market, terms)
    self._set_funding_terms(market, funding)
    self._set_tiers(market, tiers)
    self._set_cap(market, cap)
    return market


@external
@nonreentrant
def set_terms(market: uint256, terms: MarketTerms):
    """
    @notice Fees, vault share and max age of the index. Only the owner.
    @param market Market.
    @param terms New terms; maker and taker fee add up to at least 0.
    """
    self._only_owner_of_known(market)
    self._set_terms(market, terms)


@external
@nonreentrant
def set_funding_terms(market: uint256, terms: FundingTerms):
    """
    @notice Funding and mark terms. Only the owner.
    @param market Market.
    @param terms New terms.
    """
    self._only_owner_of_known(market)
    self._set_funding_terms(market, terms)


@external
@nonreentrant
def set_margin_tiers(market: uint256, tiers: DynArray[Tier, MAX_TIERS]):
    """
    @notice Margin schedule. Only the owner.
    @param market Market.
    @param tiers New schedule: limits rise, IM >= MM > 0, and neither margin falls from one tier to the next.
    """
    self._only_owner_of_known(market)
    self._set_tiers(market, tiers)


@external
@nonreentrant
def set_open_interest_cap(market: uint256, cap: uint256):
    """
    @notice Largest open interest that a trade may lead to. Only the owner.
    @param market Market.
    @param cap WAD size below 2**95, kept in 1e6 wei.
    """
    self._only_owner_of_known(market)
    self._set_cap(market, cap)


@external
@nonreentrant
def set_close_only(market: uint256, close_only: bool):
    """
    @notice Stop, or allow again, orders that open. Closing, depositing, cancelling and liquidating go on. Only the owner
            or the guardian.
    @param market Market.
    @param close_only Whether opening is stopped.
    """
    access._only_owner_or_guardian()
    self._known(market)
    word: int256 = 0
    if close_only:
        word = 1
    extcall Clearinghouse(clearinghouse).set_word(FLAGS, market, 0, word)
    log CloseOnlySet(market=market, close_only=close_only)


@external
@nonreentrant
def collect_treasury(market: uint256, receiver: address) -> uint256:
    """
    @notice Send out the treasury's part of a market's fees. Only the owner.
    @param market Market.
    @param receiver Where it goes.
    @return Token units sent.
    """
    self._only_owner_of_known(market)
    return extcall Clearinghouse(clearinghouse).collect_treasury(market, receiver)


@internal
@view
def _known(market: uint256):
    assert market < self.markets_count, "market: unknown"


@internal
@view
def _only_owner_of_known(market: uint256):
    access._only_owner()
    self._known(market)


@internal
def _set_terms(market: uint256, terms: MarketTerms):
    assert abs(terms.maker_fee) <= WAD // 10, "terms: maker fee out of range"
    assert terms.taker_fee >= 0 and terms.taker_fee <= WAD // 10, "terms: taker fee out of range"
    # compared as they are kept
    assert terms.maker_fee // PPB + terms.taker_fee // PPB >= 0, "terms: rebate above taker fee"
    assert terms.vault_share <= BP, "terms: vault share above 100 %"
    assert terms.max_age > 0 and terms.max_age <= U16, "terms: max age out of range"
    packed: uint256 = (
        (convert(terms.taker_fee // PPB, uint256) << 192)
        | (terms.vault_share << 176)
        | (terms.max_age << 160)
        | convert(self.books[market], uint256)
    )
    word: int256 = ((terms.maker_fee // PPB) << 224) | convert(packed, int256)
    extcall Clearinghouse(clearinghouse).set_word(TERMS, market, 0, word)
    log TermsSet(market=market, terms=terms)


@internal
def _set_funding_terms(market: uint256, terms: FundingTerms):
    assert abs(terms.interest) <= WAD, "funding: interest out of range"
    assert terms.clamp <= 10**18 and terms.cap <= 10**18, "funding: clamp or cap out of range"
    assert terms.band <= 5 * 10**17, "funding: band out of range"
    assert terms.basis_time > 0 and terms.basis_time <= U32, "funding: basis time out of range"
    assert terms.premium_time > 0 and terms.premium_time <= U32, "funding: premium time out of range"
    unit: uint256 = convert(PPB, uint256)
    packed: uint256 = (
        ((terms.clamp // unit) << 192)
        | ((terms.cap // unit) << 160)
        | ((terms.band // unit) << 128)
        | (terms.basis_time << 32)
        | terms.premium_time
    )
    word: int256 = ((terms.interest // PPB) << 224) | convert(packed, int256)
    extcall Clearinghouse(clearinghouse).set_word(FUNDING, market, 0, word)
    log FundingTermsSet(market=market, terms=terms)


@internal
def _set_tiers(market: uint256, tiers: DynArray[Tier, MAX_TIERS]):
    assert len(tiers) > 0, "tiers: none"
    before: Tier = empty(Tier)
    for i: uint256 in range(MAX_TIERS):
        word: uint256 = 0
        if i < len(tiers):
            # compared as they are kept
            tier: Tier = Tier(
                limit=tiers[i].limit // LIMIT_UNIT,
                initial_rate=tiers[i].initial_rate // RATE_UNIT,
                maintenance_rate=tiers[i].maintenance_rate // RATE_UNIT,
                deduction=tiers[i].deduction,
            )
            assert tier.limit > before.limit and tier.limit < 2**87, "tiers: limits must rise, below 1e32"
            assert tier.maintenance_rate > 0, "tiers: maintenance rate"
            assert tier.initial_rate >= tier.maintenance_rate, "tiers: initial below maintenance"
            assert tier.initial_rate <= RATE_ONE, "tiers: initial above 100 %"
            assert (
                tier.maintenance_rate >= before.maintenance_rate and tier.initial_rate >= before.initial_rate
            ), "tiers: rates must not fall"
            # neither margin may fall where one tier ends and the next begins
            rise: uint256 = min(
                tier.initial_rate - before.initial_rate, tier.maintenance_rate - before.maintenance_rate
            )
            assert (
                tier.deduction >= before.deduction
                and tier.deduction - before.deduction <= rise * before.limit * LIMIT_UNIT // RATE_ONE
                and tier.deduction < 2**88
            ), "tiers: deduction out of range"
            word = (
                (tier.limit << 168)
                | (tier.deduction << 80)
                | (tier.initial_rate << 40)
                | tier.maintenance_rate
            )
            before = tier
        extcall Clearinghouse(clearinghouse).set_word(TIERS, market, i, convert(word, int256))
    log MarginTiersSet(market=market, tiers=tiers)


@internal
def _set_cap(market: uint256, cap: uint256):
    # a position has 96 bits with its sign; no fill may take one past that
    assert cap < 2**95, "cap: out of range"
    extcall Clearinghouse(clearinghouse).set_word(
        INTEREST, market, 0, convert((cap // CAP_UNIT) << 64, int256)
    )
    log OpenInterestCapSet(market=market, cap=cap)

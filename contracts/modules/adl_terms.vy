# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Terms of deleveraging
@license Apache-2.0
@notice How a market shares out bankrupt positions: by index, or by a policy's list, and when by index all the same.
"""

from contracts.interfaces import IClearinghouse

MAX_MARKETS: constant(uint256) = 8
WAD: constant(int256) = 10**18
WHOLE: constant(uint256) = 10**18
U32: constant(uint256) = 2**32 - 1
U64: constant(uint256) = 2**64 - 1
U160: constant(uint256) = 2**160 - 1


struct Terms:
    # policy, 0: by index; how long a market may be frozen (s); notional (WAD) below which it goes by index at once
    policy: address
    timeout: uint256
    list_from: uint256


# policy u160 | timeout u32 | list_from u64 in whole quote units
terms_words: uint256[MAX_MARKETS]
# until when a market goes by index because a list has timed out (s)
by_index_until: uint256[MAX_MARKETS]


event DeleverageTermsSet:
    market: indexed(uint256)
    terms: Terms


@external
@view
def deleverage_terms(market: uint256) -> Terms:
    """
    @notice How a market shares out bankrupt positions.
    @param market Market.
    """
    return self._terms(market)


@internal
@view
def _terms(market: uint256) -> Terms:
    """
    @notice A market's terms.
    """
    assert market < MAX_MARKETS, "market: unknown"
    word: uint256 = self.terms_words[market]
    return Terms(
        policy=convert(word & U160, address),
        timeout=(word >> 160) & U32,
        list_from=(word >> 192) * WHOLE,
    )


@internal
def _set_terms(market: uint256, terms: Terms):
    """
    @notice Set the terms of a market without an open list.
    """
    if terms.policy != empty(address):
        assert terms.policy.is_contract, "terms: policy has no code"
        assert terms.timeout >= 60 and terms.timeout <= 3600, "terms: timeout outside 60 to 3600 s"
    assert terms.list_from // WHOLE <= U64, "terms: list_from out of range"
    self.terms_words[market] = (
        convert(terms.policy, uint256) | (terms.timeout << 160) | ((terms.list_from // WHOLE) << 192)
    )
    log DeleverageTermsSet(market=market, terms=terms)


@internal
@view
def _by_index(market: uint256, standing: IClearinghouse.Standing) -> bool:
    """
    @notice Whether a position goes by index: the market has no policy, the position is too small for a list, or one has
            just timed out.
    """
    terms: Terms = self._terms(market)
    return (
        terms.policy == empty(address)
        or block.timestamp < self.by_index_until[market]
        or convert(abs(standing.size) * standing.mark // WAD, uint256) < terms.list_from
    )

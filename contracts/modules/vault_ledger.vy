# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Ledger of the insurance vault
@license Apache-2.0
@notice What each market has brought and cost, since the beginning and by the hour of the last week.
@dev All amounts are token units.

     flows     per market bits 0-115 inflow | 116-231 outflow, since the beginning | 232-255 hour of the last
     starts    per market a ring of a week: the flows word with which an hour began, under that hour; hours
               without a flow are left out
     deficits  per market the deficit asked for, paid or not
"""

HOUR: constant(uint256) = 3600
MARKETS: constant(uint256) = 8
# money that belongs to no market
NO_MARKET: constant(uint256) = 8
RING: constant(uint256) = 168
FLOW_MASK: constant(uint256) = 2**116 - 1
TOTALS_MASK: constant(uint256) = 2**232 - 1

FIRST_HOUR: immutable(uint256)


struct HistoryEntry:
    time: uint256
    balance: uint256
    inflow: uint256
    outflow: uint256


flows: uint256[MARKETS + 1]
deficits: uint256[MARKETS]
starts: uint256[RING][MARKETS + 1]


@deploy
def __init__():
    FIRST_HOUR = block.timestamp // HOUR


@internal
@pure
def _check(market: uint256, most: uint256):
    assert market <= most, "vault: unknown market"


@internal
@view
def _history(n: uint256, balance_now: uint256) -> DynArray[HistoryEntry, RING]:
    """
    @notice The last hours, the present one first.
    @dev Walks back from the present balance and totals; a market without a start in an hour had no flow in
         it.
    @param n How many hours, at most 168.
    @param balance_now All books in token units.
    @return time (start of the hour, seconds), balance at its end, inflow and outflow, in token units.
    """
    entries: DynArray[HistoryEntry, RING] = []
    present: uint256 = block.timestamp // HOUR
    balance: uint256 = balance_now
    later: uint256[MARKETS + 1] = self.flows
    for age: uint256 in range(min(min(n, RING), present - FIRST_HOUR + 1), bound=RING):
        hour: uint256 = present - age
        inflow: uint256 = 0
        outflow: uint256 = 0
        for market: uint256 in range(MARKETS + 1):
            start: uint256 = self.starts[market][hour % RING]
            if start >> 232 == hour:
                inflow += (later[market] & FLOW_MASK) - (start & FLOW_MASK)
                outflow += ((later[market] >> 116) & FLOW_MASK) - ((start >> 116) & FLOW_MASK)
                later[market] = start
        entries.append(HistoryEntry(time=hour * HOUR, balance=balance, inflow=inflow, outflow=outflow))
        balance = balance + outflow - inflow
    return entries


@internal
def _book_deficit(market: uint256, amount: uint256):
    booked: uint256 = self.deficits[market]
    self.deficits[market] = booked + min(amount, max_value(uint256) - booked)


@internal
def _record(market: uint256, flow: uint256):
    """
    @notice Enter a flow into a market's totals, and the hour's start if it is the first of the hour.
    @param market The market.
    @param flow Token units, where the flows word has them.
    """
    word: uint256 = self.flows[market]
    hour: uint256 = block.timestamp // HOUR
    if word >> 232 != hour:
        word = (hour << 232) | (word & TOTALS_MASK)
        self.starts[market][hour % RING] = word
    # unsafe: a flow is below 2**100, and no total nears 2**116: that is 10**16 tokens of 18 decimals
    self.flows[market] = unsafe_add(word, flow)

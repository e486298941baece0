# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Withdrawal requests
@license Apache-2.0
@notice What a staker who has asked to leave may claim: per share the lower of the value at the request and
        the value at the exit.
@dev Pure: the caller stores two words.

     request word  bits 0-103 value at the request in token units | 104-143 claimable from | 144-183 until,
     seconds and, in the holder's word of modules/vault_shares.vy, the number of shares requested

     The rule takes shares instead of cutting the price. Let r shares be requested, worth v then, and let the
     price have risen since. Only as many shares as are worth v now can be redeemed, at the full price of now;
     call them e. Redeeming s of them burns r * s / e: what is beyond s is forfeited, and so stays with the
     other holders. So ERC-4626's previews are exact for everybody, whosever request it is. If the price has
     fallen, e = r, and nothing is forfeited. What is left of a partly claimed request keeps its value a
     share: v * (e - s) / e for r - r * s / e.
"""

VALUE_MASK: constant(uint256) = 2**104 - 1
TIME_MASK: constant(uint256) = 2**40 - 1


struct Request:
    shares: uint256
    value: uint256
    start: uint256
    end: uint256


@internal
@pure
def _unpack(word: uint256, shares: uint256) -> Request:
    return Request(
        shares=shares,
        value=word & VALUE_MASK,
        start=(word >> 104) & TIME_MASK,
        end=word >> 144,
    )


@internal
@pure
def _pack(request: Request) -> uint256:
    return request.value | (request.start << 104) | (request.end << 144)


@internal
@view
def _is_claimable(request: Request) -> bool:
    return request.shares != 0 and block.timestamp >= request.start and block.timestamp < request.end


@internal
@pure
def _redeemable(request: Request, assets: uint256, shares: uint256) -> uint256:
    """
    @notice How many of the requested shares can be redeemed at the present price.
    @param request The request.
    @param assets What the price is made of: token units, below 2**101 and above 0,
    @param shares for so many shares, below 2**129 and above 0.
    @return The most shares, of those requested, that are worth no more than the value at the request.
    """
    # unsafe: products below 2**105 * 2**129; the most that rounds down to the value
    most: uint256 = unsafe_div(unsafe_sub(unsafe_mul(unsafe_add(request.value, 1), shares), 1), assets)
    return min(request.shares, most)


@internal
@pure
def _claimed(request: Request, redeemable: uint256, redeemed: uint256) -> (Request, uint256):
    """
    @notice Redeem part of a request.
    @param request The request.
    @param redeemable As `_redeemable` says.
    @param redeemed Shares, at most `redeemable` and above 0.
    @return What is left of the request, and the shares that are forfeited, rounded up.
    """
    left: Request = request
    # unsafe: products below 2**128 * 2**128 and 2**104 * 2**128; redeemable is above 0 as redeemed is
    burned: uint256 = unsafe_div(
        unsafe_add(unsafe_mul(request.shares, redeemed), unsafe_sub(redeemable, 1)), redeemable
    )
    left.shares = request.shares - burned
    left.value = unsafe_div(unsafe_mul(request.value, unsafe_sub(redeemable, redeemed)), redeemable)
    return left, burned - redeemed

# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Token transfer
@license Apache-2.0
@notice Moves ERC-20 tokens that may be hostile, and says what truly arrived.
@dev A token counts as hostile: it may return nothing, return False, return or revert with a megabyte, take a
     fee, or have no code. So every call copies at most 32 bytes back, and amounts are measured as differences
     of balances instead of believed. Re-entry is the business of the caller's lock: hold it around these calls.
"""

from ethereum.ercs import IERC20

FAILED: constant(String[22]) = "token: transfer failed"


@internal
def _pull(token: address, sender: address, amount: uint256) -> uint256:
    """
    @notice Take tokens that `sender` approved to this contract.
    @param token The token.
    @param sender Who pays.
    @param amount Token units asked for.
    @return Token units that arrived, never more than asked for; a surplus is a gift.
    """
    if amount == 0:
        return 0
    before: uint256 = self._balance(token, self)
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        token,
        abi_encode(sender, self, amount, method_id=method_id("transferFrom(address,address,uint256)")),
        max_outsize=32,
        revert_on_failure=False,
    )
    self._accepted(token, success, answer)
    return self._gain(before, self._balance(token, self), amount)


@internal
def _push(token: address, receiver: address, amount: uint256) -> uint256:
    """
    @notice Send tokens that this contract holds. Reverts unless just `amount` leaves.
    @param token The token.
    @param receiver Who is paid.
    @param amount Token units to send.
    @return Token units that arrived at the receiver, never more than sent.
    """
    if amount == 0:
        return 0
    return self._push_from(token, receiver, amount, self._balance(token, self))


@internal
def _push_from(token: address, receiver: address, amount: uint256, own_before: uint256) -> uint256:
    """
    @notice `_push` for who has just read this contract's balance.
    """
    before: uint256 = self._balance(token, receiver)
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        token,
        abi_encode(receiver, amount, method_id=method_id("transfer(address,uint256)")),
        max_outsize=32,
        revert_on_failure=False,
    )
    self._accepted(token, success, answer)
    # a fee taken from the sender on top would be paid with what belongs to others, and what stays would be nobody's
    assert self._balance(token, self) == own_before - amount, FAILED
    return self._gain(before, self._balance(token, receiver), amount)


@internal
@pure
def _gain(before: uint256, after: uint256, amount: uint256) -> uint256:
    assert after >= before, FAILED
    # unsafe: just compared
    return min(unsafe_sub(after, before), amount)


@internal
@view
def _balance(token: address, holder: address) -> uint256:
    # no more than 32 bytes are copied back; fewer, or no code, revert
    return staticcall IERC20(token).balanceOf(holder)


@internal
@view
def _accepted(token: address, success: bool, answer: Bytes[32]):
    accepted: bool = len(answer) == 32 and convert(answer, uint256) == 1
    if len(answer) == 0:
        accepted = token.is_contract
    assert success and accepted, FAILED

# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Keeper batch
@license Apache-2.0
@notice A keeper as a contract: liquidates several accounts in one transaction. Each call stands alone, so one that is refused
        undoes nothing of the others. Rewards gather in this contract's account at the clearinghouse; only the owner can
        take them out, and only the owner can send batches. Nothing else is held here.
"""

from contracts.modules import access

initializes: access

exports: (
    access.owner,
    access.pending_owner,
    access.transfer_ownership,
    access.accept_ownership,
)

MAX_TARGETS: constant(uint256) = 32
# what is left over for the batch itself once a call has run
RESERVE: constant(uint256) = 20_000

clearinghouse: public(immutable(address))
liquidator: public(immutable(address))


struct Target:
    account: uint256
    market: uint256
    # whether to deleverage what book and vault cannot finish
    with_deleverage: bool


interface Clearinghouse:
    def withdraw(amount: uint256, receiver: address): nonpayable


@deploy
def __init__(clearinghouse_: address, liquidator_: address, owner: address):
    """
    @notice Deploy for one keeper.
    @param clearinghouse_ Holds the account that rewards go to.
    @param liquidator_ Whom to call.
    @param owner The keeper.
    """
    access.__init__(owner)
    clearinghouse = clearinghouse_
    liquidator = liquidator_


@external
@nonreentrant
def liquidate_many(targets: DynArray[Target, MAX_TARGETS], gas_each: uint256) -> uint256:
    """
    @notice Liquidate as much of each target as the rules want. Only the owner. A call that fails is passed over; once there
            is less gas than a call may use, the rest is left undone, so that none fails for lack of gas that it was due.
    @param targets Accounts and markets, at most 32.
    @param gas_each Most gas that a call may use.
    @return A bit for each target, the first lowest: set where something was closed.
    """
    access._only_owner()
    due: uint256 = min(gas_each, msg.gas)
    # a call gets at most 63/64 of what there is
    least: uint256 = due + due // 63 + RESERVE
    closed: uint256 = 0
    bit: uint256 = 1
    for target: Target in targets:
        if msg.gas < least:
            break
        success: bool = False
        answer: Bytes[32] = b""
        success, answer = raw_call(
            liquidator,
            abi_encode(
                target.account,
                target.market,
                max_value(uint256),
                target.with_deleverage,
                method_id=method_id("liquidate(uint256,uint256,uint256,bool)"),
            ),
            max_outsize=32,
            gas=due,
            revert_on_failure=False,
        )
        if success and len(answer) == 32 and convert(answer, uint256) != 0:
            closed |= bit
        bit <<= 1
    return closed


@external
@nonreentrant
def withdraw(amount: uint256, receiver: address):
    """
    @notice Take rewards out of this contract's account. Only the owner.
    @param amount Token units.
    @param receiver Who is paid.
    """
    access._only_owner()
    extcall Clearinghouse(clearinghouse).withdraw(amount, receiver)

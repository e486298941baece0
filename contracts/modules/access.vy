# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Access
@license Apache-2.0
@notice Who may steer a contract: an owner, handed over in two steps, and a guardian whom the owner names.
@dev A contract initializes this module and exports what it uses. The guardian is for stopping things; the
     contract decides what that is with `_only_owner_or_guardian`.
"""

owner: public(address)
pending_owner: public(address)
guardian: public(address)


event OwnershipTransferStarted:
    owner: indexed(address)
    pending_owner: indexed(address)


event OwnershipTransferred:
    previous_owner: indexed(address)
    owner: indexed(address)


event GuardianSet:
    guardian: indexed(address)


@deploy
def __init__(owner: address):
    """
    @param owner The first owner.
    """
    assert owner != empty(address), "access: zero owner"
    self.owner = owner
    log OwnershipTransferred(previous_owner=empty(address), owner=owner)


@external
@nonreentrant
def transfer_ownership(new_owner: address):
    """
    @notice Offer the ownership to an address; nothing changes until it accepts. Only the owner.
    @param new_owner Who may accept. The zero address withdraws an offer.
    """
    self._only_owner()
    self.pending_owner = new_owner
    log OwnershipTransferStarted(owner=self.owner, pending_owner=new_owner)


@external
@nonreentrant
def accept_ownership():
    """
    @notice Take over the ownership that was offered to the caller.
    """
    assert msg.sender == self.pending_owner, "access: not pending owner"
    previous: address = self.owner
    self.owner = msg.sender
    self.pending_owner = empty(address)
    log OwnershipTransferred(previous_owner=previous, owner=msg.sender)


@external
@nonreentrant
def set_guardian(guardian: address):
    """
    @notice Name the guardian. Only the owner.
    @param guardian Who may stop things beside the owner. The zero address means nobody.
    """
    self._only_owner()
    self.guardian = guardian
    log GuardianSet(guardian=guardian)


@internal
@view
def _only_owner():
    assert msg.sender == self.owner, "access: not owner"


@internal
@view
def _only_owner_or_guardian():
    assert msg.sender == self.owner or msg.sender == self.guardian, "access: not owner or guardian"

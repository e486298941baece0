"""Ownership in two steps, and the guardian."""

from __future__ import annotations

import pytest

from perpsim.chain import Revert

HARNESS = """
# pragma version 0.4.3

from contracts.modules import access

initializes: access

exports: access.__interface__


@deploy
def __init__(owner: address):
    access.__init__(owner)


@external
def owner_only():
    access._only_owner()


@external
def stop():
    access._only_owner_or_guardian()
"""

ZERO = "0x" + "00" * 20


@pytest.fixture
def steered(deploy_source, roles):
    return deploy_source(HARNESS, roles.owner)


def test_the_constructor_names_the_first_owner(steered, roles):
    assert steered.view("owner") == roles.owner
    assert steered.view("pending_owner") == ZERO
    assert steered.view("guardian") == ZERO


def test_nobody_is_no_owner(deploy_source):
    with pytest.raises(Revert, match="access: zero owner"):
        deploy_source(HARNESS, ZERO)


def test_an_offer_alone_changes_nothing(steered, roles):
    sent = steered.send(roles.owner, "transfer_ownership", roles.successor)
    assert sent.event("OwnershipTransferStarted") == (roles.owner, roles.successor)
    assert steered.view("owner") == roles.owner
    steered.send(roles.owner, "owner_only")
    with pytest.raises(Revert, match="access: not owner"):
        steered.send(roles.successor, "owner_only")


def test_accepting_an_offer_hands_the_contract_over(steered, roles):
    steered.send(roles.owner, "transfer_ownership", roles.successor)
    sent = steered.send(roles.successor, "accept_ownership")
    assert sent.event("OwnershipTransferred") == (roles.owner, roles.successor)
    assert steered.view("owner") == roles.successor
    assert steered.view("pending_owner") == ZERO
    steered.send(roles.successor, "owner_only")
    with pytest.raises(Revert, match="access: not owner"):
        steered.send(roles.owner, "owner_only")


def test_an_offer_is_accepted_once(steered, roles):
    steered.send(roles.owner, "transfer_ownership", roles.successor)
    steered.send(roles.successor, "accept_ownership")
    with pytest.raises(Revert, match="access: not pending owner"):
        steered.send(roles.successor, "accept_ownership")


def test_only_the_pending_owner_accepts(steered, roles):
    steered.send(roles.owner, "transfer_ownership", roles.successor)
    for caller in (roles.stranger, roles.owner):
        with pytest.raises(Revert, match="access: not pending owner"):
            steered.send(caller, "accept_ownership")


def test_an_offer_is_withdrawn_by_offering_to_nobody(steered, roles):
    steered.send(roles.owner, "transfer_ownership", roles.successor)
    steered.send(roles.owner, "transfer_ownership", ZERO)
    with pytest.raises(Revert, match="access: not pending owner"):
        steered.send(roles.successor, "accept_ownership")


def test_a_later_offer_replaces_an_earlier_one(steered, roles):
    steered.send(roles.owner, "transfer_ownership", roles.successor)
    steered.send(roles.owner, "transfer_ownership", roles.rival)
    with pytest.raises(Revert, match="access: not pending owner"):
        steered.send(roles.successor, "accept_ownership")
    steered.send(roles.rival, "accept_ownership")
    assert steered.view("owner") == roles.rival


def test_the_guardian_may_stop_but_not_steer(steered, roles):
    sent = steered.send(roles.owner, "set_guardian", roles.guardian)
    assert sent.event("GuardianSet") == (roles.guardian,)
    assert steered.view("guardian") == roles.guardian
    steered.send(roles.guardian, "stop")
    steered.send(roles.owner, "stop")
    with pytest.raises(Revert, match="access: not owner"):
        steered.send(roles.guardian, "owner_only")
    with pytest.raises(Revert, match="access: not owner"):
        steered.send(roles.guardian, "set_guardian", roles.guardian)


def test_a_former_guardian_may_stop_nothing(steered, roles):
    steered.send(roles.owner, "set_guardian", roles.guardian)
    steered.send(roles.owner, "set_guardian", ZERO)
    with pytest.raises(Revert, match="access: not owner or guardian"):
        steered.send(roles.guardian, "stop")


@pytest.mark.parametrize(
    "function, reason",
    [
        ("transfer_ownership", "access: not owner"),
        ("set_guardian", "access: not owner"),
        ("owner_only", "access: not owner"),
        ("stop", "access: not owner or guardian"),
    ],
)
def test_a_stranger_may_do_nothing(steered, roles, function, reason):
    args = () if function in ("owner_only", "stop") else (roles.stranger,)
    with pytest.raises(Revert) as refused:
        steered.send(roles.stranger, function, *args)
    assert refused.value.reason == reason

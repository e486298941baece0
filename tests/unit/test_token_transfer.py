"""Hostile tokens, through the vault: `fund` takes tokens in, `cover` sends them out."""

from __future__ import annotations

import pytest

from perpsim.chain import Revert

UNIT = 10**6
FAILED = "token: transfer failed"
NO_REASON = "reverted without a reason"

RE_ENTER, SAYS_NO, SILENT, FEE, HUGE, REVERT, HUGE_REVERT, SENDER_FEE, LIE, SHORT, DEAF = range(1, 12)


@pytest.fixture
def token(deploy):
    return deploy("HostileToken", 6)


@pytest.fixture
def vault(deploy, token, roles):
    """A vault with 1,000 tokens in it and more in a donor's hands, before the token turns hostile."""
    vault = deploy("InsuranceVault", token.address, roles.owner)
    vault.send(roles.owner, "set_core", roles.clearinghouse, roles.liquidator)
    token.send(roles.donor, "mint", roles.donor, 10_000 * UNIT)
    token.send(roles.donor, "approve", vault.address, 2**255)
    vault.send(roles.donor, "fund", 1_000 * UNIT)
    return vault


def held(token, holder):
    return token.view("balanceOf", holder)


@pytest.mark.parametrize("mode", [SILENT, HUGE])
def test_odd_answers_that_do_not_say_no_are_taken(vault, token, roles, mode):
    token.send(roles.stranger, "set_mode", mode)
    assert vault.send(roles.donor, "fund", 100 * UNIT).value == 100 * UNIT
    assert vault.send(roles.liquidator, "cover", 0, 30 * UNIT).value == 30 * UNIT
    assert vault.view("assets") == held(token, vault.address) == 1_070 * UNIT
    assert held(token, roles.clearinghouse) == 30 * UNIT


# a balance that cannot be asked for ends the call before there is anything to say
@pytest.mark.parametrize(
    ("mode", "reason"),
    [(SAYS_NO, FAILED), (REVERT, FAILED), (HUGE_REVERT, FAILED), (SHORT, FAILED), (DEAF, NO_REASON)],
)
def test_a_transfer_that_fails_undoes_everything(vault, token, roles, mode, reason):
    token.send(roles.stranger, "set_mode", mode)
    with pytest.raises(Revert) as refused:
        vault.send(roles.donor, "fund", 100 * UNIT)
    assert refused.value.reason == reason
    with pytest.raises(Revert) as refused:
        vault.send(roles.liquidator, "cover", 0, 30 * UNIT)
    assert refused.value.reason == reason
    token.send(roles.stranger, "set_mode", 0)
    assert vault.view("assets") == held(token, vault.address) == 1_000 * UNIT
    assert vault.view("ledger", 0) == (0, 0, 0)


def test_a_fee_on_the_way_in_is_not_credited(vault, token, roles):
    token.send(roles.stranger, "set_mode", FEE, 250)
    sent = vault.send(roles.donor, "fund", 1_000 * UNIT)
    assert sent.value == 975 * UNIT
    assert sent.event("Inflow") == (8, 3, 975 * UNIT, 1_975 * UNIT)
    assert vault.view("assets") == held(token, vault.address) == 1_975 * UNIT


def test_a_fee_on_the_way_out_is_not_reported_as_paid(vault, token, roles):
    token.send(roles.stranger, "set_mode", FEE, 250)
    assert vault.send(roles.liquidator, "cover", 0, 100 * UNIT).value == 97_500_000
    assert held(token, roles.clearinghouse) == 97_500_000
    assert vault.view("assets") == held(token, vault.address) == 900 * UNIT


def test_a_fee_taken_from_the_sender_on_top_is_refused(vault, token, roles):
    token.send(roles.stranger, "set_mode", SENDER_FEE, 250)
    with pytest.raises(Revert, match=FAILED):
        vault.send(roles.liquidator, "cover", 0, 100 * UNIT)
    assert vault.view("assets") == held(token, vault.address) == 1_000 * UNIT


def test_a_token_that_says_yes_and_moves_nothing_is_credited_nothing(vault, token, roles):
    token.send(roles.stranger, "set_mode", LIE)
    assert vault.send(roles.donor, "fund", 100 * UNIT).value == 0
    assert vault.view("assets") == 1_000 * UNIT


def test_a_transfer_that_takes_from_the_receiver_is_refused(vault, token, roles):
    """The fee is twice the amount: whoever receives has less than before."""
    token.send(roles.donor, "mint", roles.clearinghouse, 1_000 * UNIT)
    token.send(roles.stranger, "set_mode", FEE, 20_000)
    for caller, call in ((roles.donor, ("fund", 100 * UNIT)), (roles.liquidator, ("cover", 0, 100 * UNIT))):
        with pytest.raises(Revert, match=FAILED):
            vault.send(caller, *call)
    assert vault.view("assets") == held(token, vault.address) == 1_000 * UNIT


def test_a_megabyte_of_return_data_is_not_copied(vault, token, roles):
    """Copying a megabyte alone would cost more than 2,000,000 gas; the token's own waste is its own."""

    def overhead(mode):
        token.send(roles.stranger, "set_mode", mode)
        bare = token.chain.transact(
            roles.donor, token.address, token.calldata("transfer", roles.friend, UNIT)
        ).gas_used
        return vault.send(roles.donor, "fund", UNIT).gas - bare

    assert overhead(HUGE) < overhead(0) + 50_000


def test_a_megabyte_of_revert_data_is_not_copied(vault, token, roles):
    token.send(roles.stranger, "set_mode", HUGE_REVERT)
    direct = token.chain.execute(roles.donor, token.address, token.calldata("transfer", roles.friend, UNIT))
    funding = vault.chain.execute(roles.donor, vault.address, vault.calldata("fund", UNIT))
    assert direct.status == funding.status == 0
    assert funding.gas_used < direct.gas_used + 100_000


def test_nothing_is_called_for_nothing(vault, token, roles):
    token.send(roles.stranger, "set_mode", REVERT)
    assert vault.send(roles.donor, "fund", 0).value == 0
    assert vault.send(roles.liquidator, "cover", 0, 0).value == 0
    assert vault.send(roles.liquidator, "reward", 0, 0).value == 0


@pytest.mark.parametrize(
    "function, args",
    [
        ("fund", (UNIT,)),
        ("book_inflow", (0, 1, UNIT)),
        ("cover", (0, UNIT)),
        ("reward", (0, UNIT)),
        ("set_cap", (0, UNIT, 3600)),
        ("set_breaker", (10**18, 10**17)),
        ("transfer_ownership", ("0x" + "11" * 20,)),
    ],
)
@pytest.mark.parametrize("way", ["in", "out"])
def test_a_token_with_every_right_cannot_enter_the_vault_again(deploy, token, roles, function, args, way):
    """The token itself is owner, clearinghouse and liquidator: only the lock stands in its way."""
    vault = deploy("InsuranceVault", token.address, token.address)
    token.send(roles.stranger, "act", vault.address, vault.calldata("set_core", token.address, token.address))
    token.send(roles.stranger, "mint", token.address, 1_000 * UNIT)
    token.send(roles.stranger, "act", token.address, token.calldata("approve", vault.address, 2**255))
    token.send(roles.stranger, "act", vault.address, vault.calldata("fund", 100 * UNIT))

    attack = vault.calldata(function, *args)
    token.send(roles.stranger, "act", vault.address, attack)  # it may, when it comes by the front door
    before = vault.view("assets")

    token.send(roles.stranger, "set_attack", vault.address, attack)
    token.send(roles.stranger, "set_mode", RE_ENTER)
    outer = ("fund", 10 * UNIT) if way == "in" else ("cover", 1, 10 * UNIT)
    token.send(roles.stranger, "act", vault.address, vault.calldata(*outer))

    assert token.view("attempts") == 1
    assert token.view("successes") == 0
    assert vault.view("assets") == before + (10 * UNIT if way == "in" else -10 * UNIT)


def test_an_address_without_code_is_no_token(deploy_source, roles):
    harness = deploy_source(
        """
# pragma version 0.4.3

from contracts.modules import token_transfer


@external
def pull(token: address) -> uint256:
    return token_transfer._pull(token, msg.sender, 1)


@external
def push(token: address) -> uint256:
    return token_transfer._push(token, msg.sender, 1)
"""
    )
    for function in ("pull", "push"):
        with pytest.raises(Revert) as refused:
            harness.send(roles.stranger, function, roles.nobody)
        assert refused.value.reason == NO_REASON

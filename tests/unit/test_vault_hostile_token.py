"""The insurance vault over a token that lies, takes fees, fails, answers a megabyte and calls back."""

from __future__ import annotations

import pytest
from staking_world import COOLDOWN, VIRTUAL, make_staking_world
from support.abi import calls

from perpsim.chain import Revert

HONEST, RE_ENTER, FALSE, SILENT, FEE, HUGE, REVERT, HUGE_REVERT, SENDER_FEE, LIE, SHORT, DEAF = range(12)
RING_FENCED = 1
MOST = 2**256 - 1


@pytest.fixture
def world(revm):
    """Money in both pools, a staker with a claim half of which is a gain that will be forfeited."""
    found = make_staking_world(revm, token="HostileToken")
    found.own("set_isolated", RING_FENCED, True)
    found.fund(1_000)
    found.vault.send(found.roles.donor, "fund_market", RING_FENCED, 1_000 * found.unit)
    found.stake(found.roles.staker, 1_000 * found.unit)
    found.give(found.roles.late, 1_000 * found.unit)
    found.request(found.roles.staker)
    found.gain(200 * found.unit)
    found.pass_time(COOLDOWN)
    return found


#: what moves tokens: who calls what with which amount and what else
STEPS = {
    "fund": lambda world: (world.roles.donor, "fund", 10**6),
    "fund_market": lambda world: (world.roles.donor, "fund_market", RING_FENCED, 10**6),
    "deposit": lambda world: (world.roles.late, "deposit", 10**6, world.roles.late),
    "mint": lambda world: (world.roles.late, "mint", 10**6 * VIRTUAL, world.roles.late),
    "withdraw": lambda world: (world.roles.staker, "withdraw", 10**6, world.roles.friend, world.roles.staker),
    "redeem": lambda world: (
        world.roles.staker,
        "redeem",
        10**6 * VIRTUAL,
        world.roles.friend,
        world.roles.staker,
    ),
    "cover": lambda world: (world.roles.liquidator, "cover", 0, 10**6),
    "reward": lambda world: (world.roles.liquidator, "reward", RING_FENCED, 10**6),
    "repay": lambda world: (world.roles.liquidator, "repay", 0, 10**6),
}
EVERY_STEP = pytest.mark.parametrize("step", STEPS)
IN = ("fund", "fund_market", "deposit", "mint")


def state(world):
    """Everything that money could be missing from, but for the tokens themselves."""
    view, roles = world.vault.view, world.roles
    return (
        view("totalAssets"),
        view("pool_assets", RING_FENCED),
        view("totalSupply"),
        [world.shares(who) for who in (roles.staker, roles.late, roles.friend, world.vault.address)],
        view("withdrawal_request", roles.staker),
        [view("ledger", market) for market in (0, RING_FENCED, 8)],
        view("history", 2),
    )


def mode(world, number, fee=0):
    world.token.send(world.roles.attacker, "set_mode", number, fee)


def covered(world):
    """The vault owes no more than it holds."""
    return world.held(world.vault.address) >= world.assets()


@EVERY_STEP
@pytest.mark.parametrize("number", [FALSE, REVERT, HUGE_REVERT, SHORT, DEAF])
def test_a_token_that_fails_leaves_everything_as_it_was(world, step, number):
    before = state(world)
    mode(world, number)
    with pytest.raises(Revert) as refused:
        world.vault.send(*STEPS[step](world))
    assert refused.value.reason == (
        "reverted without a reason" if number == DEAF else "token: transfer failed"
    )
    mode(world, HONEST)
    assert state(world) == before
    world.vault.send(*STEPS[step](world))


@EVERY_STEP
@pytest.mark.parametrize("number", [SILENT, HUGE])
def test_a_token_that_answers_nothing_or_a_megabyte_works(world, step, number):
    start = world.vault.chain.snapshot()
    world.vault.send(*STEPS[step](world))
    expected = state(world)
    world.vault.chain.revert(start)
    mode(world, number)
    world.vault.send(*STEPS[step](world))
    mode(world, HONEST)
    assert state(world) == expected
    assert covered(world)


@pytest.mark.parametrize("step", ["fund", "fund_market", "deposit"])
@pytest.mark.parametrize("fee", [1, 500, 9_999])
def test_what_is_credited_is_what_arrived(world, step, fee):
    held, assets, shares = world.held(world.vault.address), world.assets(), world.vault.view("totalSupply")
    units, total = world.vault.view("totalAssets") + 1, shares + VIRTUAL
    arrived = 10**6 - 10**6 * fee // 10_000
    mode(world, FEE, fee)
    sent = world.vault.send(*STEPS[step](world))
    assert world.held(world.vault.address) - held == world.assets() - assets == arrived
    if step == "deposit":
        assert sent.event("Deposit")[2:] == (arrived, sent.value)
    else:
        assert sent.value == sent.event("Inflow").amount == arrived
    if step != "fund_market":
        assert world.vault.view("totalSupply") - shares == arrived * total // units


def test_a_deposit_of_which_nothing_arrives_buys_nothing(world):
    supply, assets = world.vault.view("totalSupply"), world.assets()
    for number, fee in ((LIE, 0), (FEE, 10_000)):
        mode(world, number, fee)
        sent = world.vault.send(*STEPS["deposit"](world))
        assert sent.value == 0
        assert (world.vault.view("totalSupply"), world.assets()) == (supply, assets)


@pytest.mark.parametrize("number, fee", [(FEE, 1), (LIE, 0)])
def test_shares_that_are_not_paid_in_full_are_not_minted(world, number, fee):
    before = state(world)
    mode(world, number, fee)
    with pytest.raises(Revert, match="vault: less arrived"):
        world.vault.send(*STEPS["mint"](world))
    assert state(world) == before


@EVERY_STEP
def test_a_fee_on_top_is_never_paid_with_what_belongs_to_others(world, step):
    mode(world, SENDER_FEE, 100)
    if step in IN:
        world.token.send(world.roles.late, "mint", world.roles.late, 10**6)
        world.vault.send(*STEPS[step](world))
    else:
        before = state(world)
        with pytest.raises(Revert, match="token: transfer failed"):
            world.vault.send(*STEPS[step](world))
        assert state(world) == before
    assert covered(world)


@pytest.mark.parametrize("step", ["withdraw", "redeem"])
def test_a_fee_on_a_claim_is_the_receivers(world, step):
    held, assets = world.held(world.vault.address), world.assets()
    mode(world, FEE, 100)
    paid = world.vault.send(*STEPS[step](world)).event("Withdraw").assets
    assert world.held(world.vault.address) == held - paid
    assert world.assets() == assets - paid
    assert world.held(world.roles.friend) == paid - paid // 100


@pytest.mark.parametrize("step", ["withdraw", "redeem"])
def test_a_claim_is_not_lost_to_a_token_that_says_it_paid(world, step):
    before = state(world)
    mode(world, LIE)
    with pytest.raises(Revert, match="token: transfer failed"):
        world.vault.send(*STEPS[step](world))
    mode(world, HONEST)
    assert state(world) == before
    world.vault.send(*STEPS[step](world))
    assert world.held(world.roles.friend) > 0


# ---------------------------------------------------------------------------------------- re-entry


def payloads(world):
    """A call of every function of the vault that changes something, as the token itself would make it.

    The token is a customer with shares, a claim and an allowance: only the lock is in its way, or a role.
    """
    token = world.token.address
    values = {"address": token, "uint256": 1, "bool": True}
    known = {"shares": VIRTUAL, "market": RING_FENCED, "account": 7, "cooldown": 3_600, "window": 3_600}
    for call in calls("InsuranceVault"):
        args = [known.get(name, values[kind]) for name, kind, _ in call.inputs]
        yield call.id, world.vault.calldata(call.function, *args)


@EVERY_STEP
def test_no_function_can_be_entered_while_tokens_move(world, step):
    vault, token = world.vault, world.token
    attacker = world.roles.attacker
    token.send(attacker, "mint", token.address, 10**9)
    for target, function, args in (
        (token, "approve", (vault.address, MOST)),
        (vault, "deposit", (10**8, token.address)),
        (vault, "request_withdraw", (10**7,)),
    ):
        token.send(attacker, "act", target.address, target.calldata(function, *args))
    world.set_equity(7, -1)
    start = vault.chain.snapshot()
    vault.send(*STEPS[step](world))
    expected = state(world)
    vault.chain.revert(start)
    entered = 0
    for name, payload in payloads(world):
        start = vault.chain.snapshot()
        token.send(attacker, "set_attack", vault.address, payload)
        mode(world, RE_ENTER)
        vault.send(*STEPS[step](world))
        mode(world, HONEST)
        entered += token.view("attempts")
        assert token.view("successes") == 0, name
        assert state(world) == expected, name
        vault.chain.revert(start)
    assert entered > 25


@pytest.mark.parametrize("step", ["fund", "deposit", "mint", "withdraw", "redeem", "cover"])
def test_nobody_is_shown_a_price_in_between_while_tokens_move(world, step):
    """Whoever reads the price inside the transfer reads that of before, or that of after."""
    vault, token = world.vault, world.token
    question = vault.calldata("convertToAssets", 10**30)
    before = vault.view("convertToAssets", 10**30)
    token.send(world.roles.attacker, "set_attack", vault.address, question)
    mode(world, RE_ENTER)
    vault.send(*STEPS[step](world))
    after = vault.view("convertToAssets", 10**30)
    assert token.view("successes") == 1
    assert int.from_bytes(token.view("answer"), "big") == (before if step in IN else after)

"""The base fee's arithmetic, and who pays what for gas on the embedded engines."""

import pytest
from chain_sources import counter
from hypothesis import given
from hypothesis import strategies as st

from perpsim.chain import COIN, GWEI, Chain, EngineError, FeeMarket, Tx, account, open_chain
from perpsim.chain.base import COINBASE
from perpsim.chain.revm import RevmChain

START = 1_584_000_000
CODEC = counter().interface.functions
KEEPER, RIVAL, TRADER = (account(number).address for number in (1, 2, 3))
COUNT = CODEC["count"].encode()
MARKET = FeeMarket()


@pytest.fixture(params=["revm", "py-evm"])
def chain(request):
    with open_chain(request.param, timestamp=START) as opened:
        for holder in (KEEPER, RIVAL, TRADER):
            opened.fund_native(holder, COIN)
        yield opened


@pytest.fixture
def target(chain):
    return chain.deploy(counter(), 5, sender=account(0).address)


# ------------------------------------------------------------------------------------- the base fee


@pytest.mark.parametrize(
    ("base_fee", "gas_used", "after"),
    [
        # the examples that ethereum.org explains the rule with, block 1 to 8: full blocks, in gwei
        (100, 30, 112.5),
        (112.5, 30, 126.5625),
        (126.5625, 30, 142.3828125),
        (142.3828125, 30, 160.180664062),
        (100, 15, 100),
        (100, 0, 87.5),
        (8, 22.5, 8.5),
    ],
)
def test_the_base_fee_moves_by_an_eighth_at_most(base_fee, gas_used, after):
    found = MARKET.next_base_fee(round(base_fee * GWEI), round(gas_used * 10**6), 30_000_000)
    assert found == round(after * GWEI)


@pytest.mark.parametrize(
    ("base_fee", "gas_used", "limit", "after"),
    [
        # from the tests of go-ethereum (CalcBaseFee): limit 20 million, at, under and over the target
        (1_000_000_000, 10_000_000, 20_000_000, 1_000_000_000),
        (1_000_000_000, 9_000_000, 20_000_000, 987_500_000),
        (1_000_000_000, 11_000_000, 20_000_000, 1_012_500_000),
        # a rise is at least one wei, a fall of less than one is none
        (0, 15_000_001, 30_000_000, 1),
        (7, 30_000_000, 30_000_000, 8),
        (7, 0, 30_000_000, 7),
        (8, 0, 30_000_000, 7),
    ],
)
def test_known_base_fees(base_fee, gas_used, limit, after):
    assert MARKET.next_base_fee(base_fee, gas_used, limit) == after


@given(st.integers(0, 10**13), st.integers(2, 10**8), st.data())
def test_the_base_fee_is_the_eips_own_integers(base_fee, limit, data):
    used = data.draw(st.integers(0, limit))
    found = MARKET.next_base_fee(base_fee, used, limit)
    # as written in EIP-1559: ELASTICITY_MULTIPLIER 2, BASE_FEE_MAX_CHANGE_DENOMINATOR 8
    target = limit // 2
    if used == target:
        expected = base_fee
    elif used > target:
        expected = base_fee + max(base_fee * (used - target) // target // 8, 1)
    else:
        expected = base_fee - base_fee * (target - used) // target // 8
    assert found == expected
    assert found >= 0
    floored = FeeMarket(floor=5 * GWEI).next_base_fee(base_fee, used, limit)
    assert floored == max(expected, 5 * GWEI)


def test_a_fee_market_that_cannot_be_is_refused():
    for wrong in ({"elasticity": 0}, {"denominator": 0}, {"floor": -1}):
        with pytest.raises(ValueError, match="a fee market needs"):
            FeeMarket(**wrong)


# ---------------------------------------------------------------------------------- paying for gas


def test_without_a_fee_market_nobody_pays_and_the_base_fee_stays(chain, target):
    chain.base_fee = 3 * GWEI
    chain.submit(Tx(KEEPER, target, COUNT, 100_000, tip=GWEI))
    block, (receipt,) = chain.mine(START + 12)
    assert (chain.base_fee, block.base_fee) == (3 * GWEI, 3 * GWEI)
    assert (receipt.gas_price, receipt.fee, chain.balance(KEEPER)) == (0, 0, COIN)
    assert (chain.fees.total, chain.fees.paid) == (0, {})


def test_base_fee_burned_tip_to_the_builder(chain, target):
    before = chain.balance(COINBASE)
    chain.open_fee_market(10 * GWEI)
    chain.submit(Tx(KEEPER, target, COUNT, 100_000, tip=2 * GWEI, max_fee=50 * GWEI))
    chain.submit(Tx(RIVAL, target, COUNT, 100_000, tip=2 * GWEI, max_fee=11 * GWEI))
    block, (first, second) = chain.mine(START + 12)
    assert [first.sender, second.sender] == [KEEPER, RIVAL]
    assert (first.gas_price, second.gas_price) == (12 * GWEI, 11 * GWEI)
    assert COIN - chain.balance(KEEPER) == first.fee == first.gas_used * 12 * GWEI
    assert COIN - chain.balance(RIVAL) == second.fee
    assert chain.fees.burned == block.gas_used * 10 * GWEI
    assert (
        chain.fees.tips
        == chain.balance(COINBASE) - before
        == first.gas_used * 2 * GWEI + second.gas_used * GWEI
    )
    assert chain.fees.paid == {KEEPER: first.fee, RIVAL: second.fee}
    # a block with next to nothing in it: an eighth less
    assert 8.75 * GWEI <= chain.base_fee < 8.8 * GWEI


def test_whoever_reverts_pays_for_the_attempt(chain, target):
    chain.open_fee_market(GWEI)
    chain.submit(Tx(KEEPER, target, CODEC["fail"].encode("too late"), 100_000))
    _, (receipt,) = chain.mine(START + 12)
    assert not receipt.ok
    assert receipt.fee > 0
    assert chain.balance(KEEPER) == COIN - receipt.fee


def test_without_coin_there_is_no_transaction(chain, target):
    chain.open_fee_market(GWEI)
    poor = account(9).address
    chain.fund_native(poor, 100_000 * 3 * GWEI - 1)
    chain.submit(Tx(poor, target, COUNT, 100_000, tip=GWEI, max_fee=3 * GWEI))
    _, (refused,) = chain.mine(START + 12)
    assert refused.reason == "rejected: not enough native coin for the fee"
    assert (refused.gas_used, refused.fee, chain.nonce(poor), chain.waiting) == (0, 0, 0, 0)
    chain.fund_native(poor, 1)
    chain.submit(Tx(poor, target, COUNT, 100_000, tip=GWEI, max_fee=3 * GWEI))
    assert chain.mine(START + 24)[1][0].ok
    # what was spent on gas cannot be sent along
    chain.submit(Tx(poor, target, COUNT, 50_000, max_fee=GWEI, value=chain.balance(poor)))
    assert chain.mine(START + 36)[1][0].reason == "rejected: not enough native coin for the fee"


def test_set_up_is_free_and_moves_nothing(chain, target):
    chain.open_fee_market(GWEI)
    assert chain.execute(KEEPER, target, CODEC["fill"].encode(100)).ok
    chain.seal()
    assert (chain.balance(KEEPER), chain.base_fee) == (COIN, GWEI)


def test_a_full_block_raises_the_base_fee_until_demand_gives_way(chain, target):
    chain.block_gas_limit = 250_000
    chain.open_fee_market(GWEI)
    fees, waited = [], []
    for step in range(1, 30):
        for sender in (KEEPER, RIVAL, TRADER):
            for _ in range(3):
                chain.submit(Tx(sender, target, COUNT, 60_000, max_fee=2 * GWEI, tip=GWEI // 10))
        block, receipts = chain.mine(START + 12 * step)
        assert block.gas_used <= block.gas_limit
        assert all(receipt.gas_price <= 2 * GWEI for receipt in receipts)
        fees.append(block.base_fee)
        waited.append(block.waiting)
    assert fees[0] == GWEI
    # nobody offers more than 2 gwei: above that blocks are empty and the fee falls again
    assert 1.7 * GWEI < max(fees[15:]) < 2.3 * GWEI
    assert min(fees[15:]) > 1.7 * GWEI
    assert waited[-1] > waited[15] > 0


def test_a_node_charges_by_itself():
    class Node(RevmChain):
        engine = "http://node"
        open_fee_market = Chain.open_fee_market

    with pytest.raises(EngineError, match="charges for gas by itself"):
        Node(timestamp=START).open_fee_market(GWEI)


def test_the_option_opens_the_market():
    with open_chain("revm", timestamp=START, base_fee=7 * GWEI) as chain:
        assert chain.base_fee == 7 * GWEI
        chain.mine(START + 12)
        assert chain.base_fee == 6.125 * GWEI
    with pytest.raises(ValueError, match="a base fee cannot be -1"):
        open_chain("revm", timestamp=START, base_fee=-1)


def test_snapshots_and_marks_bring_fees_and_queue_back():
    chain = RevmChain(timestamp=START)
    target = chain.deploy(counter(), 5, sender=account(0).address)
    chain.fund_native(KEEPER, COIN)
    chain.open_fee_market(GWEI)
    chain.submit(Tx(KEEPER, target, COUNT, 100_000, nonce=0))
    chain.submit(Tx(KEEPER, target, COUNT, 100_000, nonce=2))

    def seen():
        ledger = chain.fees
        return chain.base_fee, chain.queued, chain.balance(KEEPER), dict(ledger.paid), ledger.burned

    before = seen()
    for remember, back in ((chain.snapshot, chain.revert), (chain.mark, chain.rewind)):
        point = remember()
        chain.mine(START + 12)
        assert seen() != before
        back(point)
        assert seen() == before


ORDERS = st.tuples(
    st.sampled_from([1, 2, 3]),
    st.none() | st.integers(0, 6),
    st.integers(0, 5),
    st.none() | st.integers(0, 30),
    st.sampled_from(["count", "bare", "fill"]),
    st.sampled_from([30_000, 60_000, 200_000]),
    st.none() | st.integers(1, 6),
)


@given(st.lists(st.lists(ORDERS, max_size=6), min_size=1, max_size=5), st.integers(0, 20))
def test_what_senders_lost_was_burned_or_tipped(batches, base_fee):
    chain = RevmChain(timestamp=START, block_gas_limit=300_000)
    target = chain.deploy(counter(), 5, sender=account(0).address)
    # the third runs dry on the way
    purse = {KEEPER: COIN, RIVAL: COIN, TRADER: 2_000_000}
    for holder, coins in purse.items():
        chain.fund_native(holder, coins)
    chain.open_fee_market(base_fee)
    sent, nonces, lost = {}, dict.fromkeys(purse, 0), dict.fromkeys(purse, 0)
    for step, batch in enumerate(batches, start=1):
        for who, nonce, tip, max_fee, name, gas, expires in batch:
            args = (3,) if name == "fill" else ()
            data = CODEC[name].encode(*args)
            tx = Tx(account(who).address, target, data, gas, tip, max_fee, nonce=nonce, expires=expires)
            sent[chain.submit(tx)] = tx
        fee = chain.base_fee
        block, receipts = chain.mine(START + 12 * step)
        assert sum(receipt.gas_used for receipt in receipts) == block.gas_used <= block.gas_limit
        for receipt in receipts:
            tx = sent.pop(receipt.tx_id)
            if receipt.reason.startswith("rejected"):
                assert receipt.fee == 0
                continue
            assert tx.expires is None or tx.expires >= block.number
            assert fee <= receipt.gas_price == fee + tx.effective_tip(fee)
            assert tx.max_fee is None or receipt.gas_price <= tx.max_fee
            assert tx.nonce in (None, nonces[tx.sender])
            nonces[tx.sender] += 1
            lost[tx.sender] += receipt.fee
        assert all(tx.expires is None or tx.expires > block.number for tx in chain.queued)
        assert chain.base_fee == MARKET.next_base_fee(fee, block.gas_used, block.gas_limit)
    assert {holder: purse[holder] - chain.balance(holder) for holder in purse} == lost
    assert min(map(chain.balance, purse)) >= 0
    assert sum(lost.values()) == sum(chain.fees.paid.values()) == chain.fees.burned + chain.fees.tips
    assert {holder: chain.nonce(holder) for holder in purse} == nonces

"""Returning to a mark, again and again, with flushes in between."""

import pytest
from chain_sources import counter

from perpsim.chain import EngineError, Tx, account
from perpsim.chain.revm import RevmChain

START = 1_584_000_000
CODEC = counter().interface.functions
WHO = account(1).address
COUNT = CODEC["count"].encode(3)


@pytest.fixture
def chain():
    return RevmChain(timestamp=START)


@pytest.fixture
def target(chain):
    return chain.deploy(counter(), 5, sender=account(0).address)


def seen(chain, target):
    """Everything that a rewind must bring back."""
    by = CODEC["by"].decode(chain.view(target, CODEC["by"].encode(WHO)))
    total = CODEC["total"].decode(chain.view(target, CODEC["total"].encode()))
    balances = (chain.balance(WHO), chain.balance(target))
    clock = (chain.block_number, chain.timestamp, chain.pending_timestamp)
    return by, total, balances, clock, chain.nonce(WHO), chain.code(target), chain.logs(0), chain.queued


def test_a_rewind_brings_everything_back_as_often_as_one_likes(chain, target):
    chain.fund_native(WHO, 77)
    chain.execute(WHO, target, COUNT)
    chain.mine(START + 100)
    chain.submit(Tx(WHO, target, COUNT))
    mark = chain.mark()
    before = seen(chain, target)
    for flushes in range(3):
        for step in range(4):
            chain.execute(WHO, target, COUNT, value=step)
            chain.execute(WHO, target, CODEC["fill"].encode(40))
            if step < flushes:
                chain.flush()
        chain.mine(START + 1_000)
        assert seen(chain, target) != before
        chain.rewind(mark)
        assert seen(chain, target) == before
    # and what comes after the last rewind stays
    chain.mine(START + 112)
    chain.flush()
    assert seen(chain, target)[:2] == (6, 11)


def test_the_same_calls_after_a_rewind_give_the_same_receipts(chain, target):
    mark = chain.mark()
    receipts = []
    for _ in range(2):
        run = []
        for _ in range(3):
            chain.flush()
            run.append(chain.execute(WHO, target, COUNT))
        receipts.append([(receipt.status, receipt.gas_used, receipt.logs) for receipt in run])
        chain.rewind(mark)
    assert receipts[0] == receipts[1]
    # cold each time: an exact figure does not depend on what ran before
    assert receipts[0][1][1] == receipts[0][2][1]


def test_a_word_that_was_zero_at_the_mark_is_zero_again(chain, target):
    mark = chain.mark()
    stranger = f"0x{5:040x}"
    chain.execute(WHO, target, CODEC["fill"].encode(3))
    chain.flush()
    assert CODEC["by"].decode(chain.view(target, CODEC["by"].encode(stranger))) == 1
    chain.rewind(mark)
    assert CODEC["by"].decode(chain.view(target, CODEC["by"].encode(stranger))) == 0


def test_only_the_last_mark_can_be_returned_to(chain, target):
    first = chain.mark()
    second = chain.mark()
    with pytest.raises(ValueError, match="another mark"):
        chain.rewind(first)
    chain.rewind(second)
    with pytest.raises(EngineError, match="while a mark is set"):
        chain.deploy(counter(), 1, sender=WHO)

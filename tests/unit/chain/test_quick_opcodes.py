"""The quick opcodes against py-evm's own: random code, random words, the same stack, memory and gas."""

import random

import pytest
from eth.vm.forks.cancun.computation import CancunComputation

from perpsim.chain.base import COINBASE
from perpsim.chain.lazy_state import BlockContext, LazyState
from perpsim.chain.quick_opcodes import QuickComputation

BLOCK = BlockContext(7, 1_584_000_000, COINBASE, 30_000_000, 31337)
SENDER, TARGET = "0x" + "11" * 20, "0x" + "22" * 20
EDGES = [0, 1, 2, 31, 32, 255, 256, 1 << 128, (1 << 255) - 1, 1 << 255, (1 << 256) - 1]
TWO = [*range(0x01, 0x08), 0x0B, *range(0x10, 0x15), *range(0x16, 0x19), *range(0x1A, 0x1E)]
ONE, THREE = [0x15, 0x19], [0x08, 0x09]


class Holder:
    def __init__(self, code):
        self.code = code

    def storage(self, address, slot):
        return 0

    def account(self, address):
        return 0, 0, self.code if address == TARGET else b""

    def block_hash(self, number):
        return bytes(32)


def ran(computation_class, code, gas):
    state = LazyState(Holder(code), BLOCK)
    state.computation_class = computation_class
    done = state.call(SENDER, TARGET, b"", 0, gas)
    error = type(done.error).__name__ if done.is_error else ""
    return error, bytes(done.output), done.get_gas_remaining()


def push(word):
    return b"\x7f" + word.to_bytes(32, "big")


def same(code, gas=100_000):
    wanted = ran(CancunComputation, code, gas)
    assert ran(QuickComputation, code, gas) == wanted, code.hex()
    return wanted


RETURN_TOP = bytes.fromhex("5f5260205ff3")


@pytest.mark.parametrize("opcode", TWO + ONE + THREE)
def test_an_operation_gives_what_py_evm_gives(opcode):
    rng = random.Random(opcode)
    count = 2 if opcode in TWO else 1 if opcode in ONE else 3
    for _ in range(150):
        draws = [(rng.choice(EDGES), rng.getrandbits(256), rng.getrandbits(9)) for _ in range(count)]
        words = [rng.choice(draw) for draw in draws]
        error, _, _ = same(b"".join(map(push, words)) + bytes([opcode]) + RETURN_TOP)
        assert error == ""


def test_random_code_ends_alike_with_little_gas_too_few_words_and_bad_jumps():
    rng = random.Random(4)
    known = [*TWO, *ONE, *THREE, 0x50, 0x51, 0x52, 0x56, 0x57, 0x58, 0x5A, 0x5B, 0x5F, 0x20, 0x5E]
    known += [*range(0x60, 0x64), *range(0x80, 0x90), *range(0x90, 0xA0), 0xFE, 0x00, 0x36, 0x35]
    errors = set()
    for _ in range(4_000):
        head = b"".join(b"\x60" + bytes([rng.randrange(64)]) for _ in range(rng.randrange(30)))
        code = head + bytes(rng.choice(known) for _ in range(rng.randrange(1, 40))) + RETURN_TOP
        errors.add(same(code, rng.choice([50, 200, 5_000, 100_000]))[0])
    assert {"", "OutOfGas", "InsufficientStack", "InvalidJumpDestination", "InvalidInstruction"} <= errors


def test_a_stack_may_hold_1024_words_and_no_more():
    assert same(b"\x5f" * 1024)[0] == ""
    assert same(b"\x5f" * 1025)[0] == "FullStack"


def test_a_loop_runs_out_of_gas_and_data_of_a_push_is_no_target():
    assert same(bytes.fromhex("5b5f56"), 1_000)[0] == "OutOfGas"
    assert same(bytes.fromhex("6004565b605b00"))[0] == "InvalidJumpDestination"

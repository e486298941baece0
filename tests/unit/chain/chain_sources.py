"""Small contracts that the chain tests run."""

from functools import cache

from perpsim.chain import Artifact, compile_source

COUNTER = """
# pragma version 0.4.3

event Counted:
    who: indexed(address)
    step: uint256
    total: uint256
    at: uint256
    mood: int128

total: public(uint256)
by: public(HashMap[address, uint256])
scratch: transient(uint256)

@deploy
def __init__(start: uint256):
    assert start < 1000, "start too high"
    self.total = start

@external
@payable
def count(step: uint256 = 1, mood: int128 = 0) -> uint256:
    self.total += step
    self.by[msg.sender] += step
    self.scratch += 1
    log Counted(who=msg.sender, step=step, total=self.total, at=block.timestamp, mood=mood)
    return self.total

@external
def fill(n: uint256):
    for i: uint256 in range(n, bound=1000):
        self.by[convert(convert(self.total + i, uint160), address)] = 1
    self.total += n

@view
@external
def seen() -> uint256:
    return self.scratch

@view
@external
def clock() -> (uint256, uint256):
    return block.number, block.timestamp

@external
def fail(why: String[64]):
    self.total = 0
    raise why

@external
def divide(by: uint256) -> uint256:
    return 1 // by

@external
def bare():
    assert msg.sender == self

@external
def custom():
    raw_revert(method_id("Nope()"))

@external
def burn():
    for i: uint256 in range(1000000):
        self.total += 1
"""


@cache
def counter() -> Artifact:
    """The compiled counter."""
    return compile_source(COUNTER, "Counter")

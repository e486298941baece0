# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Hostile token
@license Apache-2.0
@notice An ERC-20 that misbehaves as it is told, for tests. Anyone may mint and set it up.
@dev What transfer and transferFrom do, by mode:
      0 normal        as it should be
      1 re-enter      move the tokens, then call `target` with `payload`, count whether that succeeded and
                      keep the first word of what it answered
      2 false         move nothing, return False
      3 silent        move the tokens, return nothing, like some old tokens
      4 fee           keep `fee_bps` of the amount from the receiver
      5 huge          move the tokens, return a megabyte that begins with True
      6 revert        revert without data
      7 huge revert   revert with a megabyte
      8 sender fee    take `fee_bps` of the amount from the sender on top
      9 lie           move nothing, return True
     10 short         move the tokens, return one byte
     11 deaf          as it should be, but balanceOf reverts
     Without a lock on purpose: it must be the victim's lock that stops a re-entry.
"""

RE_ENTER: constant(uint256) = 1
SAYS_NO: constant(uint256) = 2
SILENT: constant(uint256) = 3
FEE: constant(uint256) = 4
HUGE: constant(uint256) = 5
REVERT: constant(uint256) = 6
HUGE_REVERT: constant(uint256) = 7
SENDER_FEE: constant(uint256) = 8
LIE: constant(uint256) = 9
SHORT: constant(uint256) = 10
DEAF: constant(uint256) = 11

BPS: constant(uint256) = 10000
MEGABYTE: constant(uint256) = 1048576
# makes a contract that answers with a megabyte: mstore(0, 1), return(0, 2**20)
LONG_ANSWER: constant(Bytes[18]) = x"6960015f52621000005ff35f52600a6016f3"
# makes a contract that reverts with a megabyte: revert(0, 2**20)
LONG_REVERT: constant(Bytes[14]) = x"65621000005ffd5f526006601af3"

decimals: public(immutable(uint8))
long_answer: immutable(address)
long_revert: immutable(address)

totalSupply: public(uint256)
balances: HashMap[address, uint256]
allowance: public(HashMap[address, HashMap[address, uint256]])
mode: public(uint256)
fee_bps: public(uint256)
target: public(address)
payload: public(Bytes[1024])
re_entering: bool
attempts: public(uint256)
successes: public(uint256)
answer: public(Bytes[32])


event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256


event Approval:
    owner: indexed(address)
    spender: indexed(address)
    value: uint256


@deploy
def __init__(decimals_: uint8):
    """
    @param decimals_ Decimals of the token.
    """
    decimals = decimals_
    long_answer = raw_create(LONG_ANSWER)
    long_revert = raw_create(LONG_REVERT)


@external
def set_mode(mode: uint256, fee_bps: uint256 = 0):
    """
    @notice Choose what the token does from now on. Anyone.
    @param mode See above.
    @param fee_bps Fee of modes 4 and 8 in hundredths of a percent.
    """
    self.mode = mode
    self.fee_bps = fee_bps


@external
def set_attack(target: address, payload: Bytes[1024]):
    """
    @notice Choose what mode 1 calls, and clear its counts. Anyone.
    @param target The contract to call.
    @param payload The calldata.
    """
    self.target = target
    self.payload = payload
    self.attempts = 0
    self.successes = 0


@external
def act(target: address, payload: Bytes[1024]):
    """
    @notice Make the token call something now, so that it can be a customer of what it attacks. Anyone.
    @param target The contract to call.
    @param payload The calldata.
    """
    raw_call(target, payload)


@external
def mint(to: address, amount: uint256):
    """
    @notice Mint tokens. Anyone.
    @param to Who receives them.
    @param amount Token units.
    """
    self.totalSupply += amount
    self.balances[to] += amount
    log Transfer(sender=empty(address), receiver=to, value=amount)


@external
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Let somebody send the caller's tokens.
    @param spender Who may.
    @param amount Token units.
    @return True.
    """
    self.allowance[msg.sender][spender] = amount
    log Approval(owner=msg.sender, spender=spender, value=amount)
    return True


@external
@raw_return
def transfer(to: address, amount: uint256) -> Bytes[MEGABYTE]:
    """
    @notice Send the caller's tokens, or whatever the mode says.
    @param to Who receives them.
    @param amount Token units.
    @return By mode.
    """
    self._transfer(msg.sender, to, amount)
    if self.mode == HUGE:
        return raw_call(long_answer, b"", max_outsize=MEGABYTE)
    return self._answer()


@external
@raw_return
def transferFrom(sender: address, to: address, amount: uint256) -> Bytes[MEGABYTE]:
    """
    @notice Send somebody's tokens by allowance, or whatever the mode says.
    @param sender Whose tokens.
    @param to Who receives them.
    @param amount Token units.
    @return By mode.
    """
    self.allowance[sender][msg.sender] -= amount
    self._transfer(sender, to, amount)
    if self.mode == HUGE:
        return raw_call(long_answer, b"", max_outsize=MEGABYTE)
    return self._answer()


@external
@view
def balanceOf(holder: address) -> uint256:
    """
    @notice What somebody holds.
    @param holder Whose tokens.
    @return Token units.
    """
    assert self.mode != DEAF
    return self.balances[holder]


@internal
def _transfer(sender: address, to: address, amount: uint256):
    mode: uint256 = self.mode
    assert mode != REVERT
    if mode == HUGE_REVERT:
        raw_call(long_revert, b"")
    if mode == SAYS_NO or mode == LIE:
        return
    fee: uint256 = amount * self.fee_bps // BPS
    self.balances[sender] -= amount
    self.balances[to] += amount
    if mode == FEE:
        self.balances[to] -= fee
        self.totalSupply -= fee
    elif mode == SENDER_FEE:
        self.balances[sender] -= fee
        self.totalSupply -= fee
    log Transfer(sender=sender, receiver=to, value=amount)
    if mode == RE_ENTER and not self.re_entering:
        self.re_entering = True
        self.attempts += 1
        success: bool = False
        answer: Bytes[32] = b""
        success, answer = raw_call(self.target, self.payload, max_outsize=32, revert_on_failure=False)
        if success:
            self.successes += 1
            self.answer = answer
        self.re_entering = False


@internal
@view
def _answer() -> Bytes[32]:
    if self.mode == SILENT:
        return b""
    if self.mode == SHORT:
        return b"\x01"
    return abi_encode(self.mode != SAYS_NO)

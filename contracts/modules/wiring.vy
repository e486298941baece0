# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Wiring
@license Apache-2.0
@notice The contracts that the clearinghouse works with, beside the order books in the markets' terms. The deployer names
        them, once: they do not know their addresses before the clearinghouse has one.
"""

deployer: immutable(address)
parameters: public(address)
oracle: public(address)
liquidator: public(address)


event Wired:
    parameters: address
    oracle: address
    liquidator: address


@deploy
def __init__():
    deployer = msg.sender


@external
@nonreentrant
def wire(new_parameters: address, new_oracle: address, new_liquidator: address):
    """
    @notice Name the other contracts, once. Only the deployer.
    @param new_parameters Opens markets and sets their terms.
    @param new_oracle Posts index prices.
    @param new_liquidator Liquidates.
    """
    self._only(deployer)
    assert self.parameters == empty(address), "wire: done"
    self.parameters = new_parameters
    self.oracle = new_oracle
    self.liquidator = new_liquidator
    log Wired(parameters=new_parameters, oracle=new_oracle, liquidator=new_liquidator)


@internal
@view
def _only(caller: address):
    """
    @notice Refuse every caller but one.
    """
    assert msg.sender == caller, "clearinghouse: not authorised"

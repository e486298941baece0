"""ape on its own test provider (py-evm): signed transactions of test accounts, a block each."""

from __future__ import annotations

import logging
import time

import ape
from ape.exceptions import ContractLogicError
from ape.logging import logger
from nodes import Moved
from work import Outcome, Work, main


def run(work: Work) -> Outcome:
    """Set up, then time `account.call`."""
    logger.set_level(logging.CRITICAL)
    with ape.networks.parse_network_choice("ethereum:local:test") as provider:
        ecosystem, rich = provider.network.ecosystem, ape.accounts.test_accounts[0]
        accounts = {}

        def sender(number: int) -> bytes:
            account = ape.accounts.test_accounts.generate_test_account()
            rich.transfer(account, 10**18)
            accounts[bytes.fromhex(account.address[2:])] = account
            return bytes.fromhex(account.address[2:])

        def send(sender: bytes, to: bytes, data: bytes, gas: int) -> tuple[bool, bytes]:
            where = {"receiver": "0x" + to.hex()} if to else {}
            sent = ecosystem.create_transaction(
                data=data, gas_limit=gas, max_fee=2 * 10**9, max_priority_fee=0, **where
            )
            try:
                receipt = accounts[sender].call(sent)
            except ContractLogicError:
                return False, b""
            created = receipt.contract_address
            return True, bytes.fromhex(created[2:]) if created else b""

        def travel(to: int) -> None:
            provider.set_timestamp(to)

        moved = Moved(work, sender, send, travel)
        moved.set_up(provider.get_block("latest").timestamp)
        calls = moved.ready()
        began = time.perf_counter()
        failed = moved.replay(calls)
        return Outcome(time.perf_counter() - began, len(calls), failed, "a block a transaction")


if __name__ == "__main__":
    main(run)

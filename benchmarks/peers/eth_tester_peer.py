"""web3.py on eth-tester (py-evm): unsigned transactions of unlocked accounts, a block each."""

from __future__ import annotations

import time

from eth_tester import EthereumTester, PyEVMBackend
from nodes import Moved
from web3 import EthereumTesterProvider, Web3
from work import Outcome, Work, main


def run(work: Work) -> Outcome:
    """Set up, then time `send_transaction` and the receipt."""
    genesis = PyEVMBackend.generate_genesis_params(overrides={"gas_limit": 2**50})
    tester = EthereumTester(backend=PyEVMBackend(genesis_parameters=genesis))
    web3 = Web3(EthereumTesterProvider(tester))
    rich = web3.eth.accounts[0]

    def sender(number: int) -> bytes:
        address = tester.add_account("0x" + (10**6 + number).to_bytes(32, "big").hex())
        web3.eth.send_transaction({"from": rich, "to": address, "value": 10**20, "gas": 21_000})
        return bytes.fromhex(address[2:])

    def send(sender: bytes, to: bytes, data: bytes, gas: int) -> tuple[bool, bytes]:
        sent = {"from": Web3.to_checksum_address(sender), "gas": gas, "data": data, "gasPrice": 2 * 10**9}
        if to:
            sent["to"] = Web3.to_checksum_address(to)
        receipt = web3.eth.get_transaction_receipt(web3.eth.send_transaction(sent))
        created = receipt["contractAddress"]
        return bool(receipt["status"]), bytes.fromhex(created[2:]) if created else b""

    moved = Moved(work, sender, send, tester.time_travel)
    moved.set_up(web3.eth.get_block("latest")["timestamp"])
    calls = moved.ready()
    began = time.perf_counter()
    failed = moved.replay(calls)
    return Outcome(time.perf_counter() - began, len(calls), failed, "a block a transaction")


if __name__ == "__main__":
    main(run)

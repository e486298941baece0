"""What changed since a checkpoint, from the text that pyrevm gives of its journalled state.

The text begins `JournaledState { state: {0x..: Account { info: AccountInfo { balance: .., nonce: ..,
code_hash: .., code: .. }, storage: {..}, status: .. }, ..}, ..`; the journal comes after the state and is not
looked at. Most of it is code in hexadecimal digits, so where the storage begins is remembered by account.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SLOT = re.compile(r"(\d+): StorageSlot \{ previous_or_original_value: (\d+), present_value: (\d+) \}")
_STORAGE = ", storage: {"


class SlotChange(NamedTuple):
    """A storage word that differs: what the database holds, and what it is now."""

    address: str
    slot: int
    original: int
    present: int


class JournalReader:
    """Reads the text again and again; knows what it has seen of accounts."""

    def __init__(self) -> None:
        self._infos: dict[str, str] = {}
        self._code_lengths: dict[str, int] = {}

    def changes(self, text: str) -> tuple[list[SlotChange], list[str]]:
        """Changed slots, and accounts whose balance or nonce is not what it was in the text before."""
        slots: list[SlotChange] = []
        accounts: list[str] = []
        at = text.index("state: {") + 8
        while text.startswith("0x", at):
            address = text[at : at + 42]
            code = text.index(", code_hash: ", at)
            info = text[at:code]
            if self._infos.get(address) != info:
                self._infos[address] = info
                accounts.append(address)
            start = self._storage(text, address, code)
            stop = text.index("}, status: ", start)
            if stop > start:
                for slot, original, present in _SLOT.findall(text, start, stop):
                    # most slots were only read; numbers of 78 digits are dear to convert
                    if original != present:
                        slots.append(SlotChange(address, int(slot), int(original), int(present)))
            at = text.index(" }", stop) + 4
        return slots, accounts

    def _storage(self, text: str, address: str, code: int) -> int:
        """Where the words of an account begin whose code stands at `code`."""
        length = self._code_lengths.get(address)
        if length is None or not text.startswith(_STORAGE, code + length):
            length = self._code_lengths[address] = text.index(_STORAGE, code) - code
        return code + length + len(_STORAGE)

    def forget(self, address: str | None = None) -> None:
        """The database has been given another balance or nonce of this account, or of any."""
        if address is None:
            self._infos.clear()
        else:
            self._infos.pop(address.lower(), None)

# pragma version 0.4.3
# SPDX-License-Identifier: Apache-2.0
"""
@title Tick bitmap
@license Apache-2.0
@notice A set of ticks below 2**24 as a tree of 256-bit words, three levels deep: adding, removing and finding the next
        tick cost the same however many there are. One tree serves both sides of a book that is never crossed.
"""

leaves: HashMap[uint256, uint256]
branches: HashMap[uint256, uint256]
root: uint256


@internal
def _add(tick: uint256):
    """
    @notice Put a tick into the set.
    """
    word: uint256 = self.leaves[tick >> 8]
    self.leaves[tick >> 8] = word | (1 << (tick & 255))
    if word == 0:
        branch: uint256 = self.branches[tick >> 16]
        self.branches[tick >> 16] = branch | (1 << ((tick >> 8) & 255))
        if branch == 0:
            self.root |= 1 << (tick >> 16)


@internal
def _remove(tick: uint256):
    """
    @notice Take a tick out of the set; it must be in it.
    """
    word: uint256 = self.leaves[tick >> 8] ^ (1 << (tick & 255))
    self.leaves[tick >> 8] = word
    if word == 0:
        branch: uint256 = self.branches[tick >> 16] ^ (1 << ((tick >> 8) & 255))
        self.branches[tick >> 16] = branch
        if branch == 0:
            self.root ^= 1 << (tick >> 16)


@internal
@view
def _above(tick: uint256) -> uint256:
    """
    @notice The smallest tick of the set above `tick`; 0 if there is none.
    """
    word: uint256 = self._higher(self.leaves[tick >> 8], tick & 255)
    if word != 0:
        return (tick & ~convert(255, uint256)) | self._lowest(word)
    key: uint256 = tick >> 8
    word = self._higher(self.branches[key >> 8], key & 255)
    if word != 0:
        key = (key & ~convert(255, uint256)) | self._lowest(word)
    else:
        word = self._higher(self.root, key >> 8)
        if word == 0:
            return 0
        top: uint256 = self._lowest(word)
        key = (top << 8) | self._lowest(self.branches[top])
    return (key << 8) | self._lowest(self.leaves[key])


@internal
@view
def _below(tick: uint256) -> uint256:
    """
    @notice The largest tick of the set below `tick`; 0 if there is none.
    """
    word: uint256 = self._lower(self.leaves[tick >> 8], tick & 255)
    if word != 0:
        return (tick & ~convert(255, uint256)) | self._highest(word)
    key: uint256 = tick >> 8
    word = self._lower(self.branches[key >> 8], key & 255)
    if word != 0:
        key = (key & ~convert(255, uint256)) | self._highest(word)
    else:
        word = self._lower(self.root, key >> 8)
        if word == 0:
            return 0
        top: uint256 = self._highest(word)
        key = (top << 8) | self._highest(self.branches[top])
    return (key << 8) | self._highest(self.leaves[key])


@internal
@pure
def _higher(word: uint256, bit: uint256) -> uint256:
    """
    @notice The bits of `word` above position `bit` (0..255).
    """
    # unsafe: bit + 1 <= 256; a shift by 256 gives 0
    above: uint256 = unsafe_add(bit, 1)
    return (word >> above) << above


@internal
@pure
def _lower(word: uint256, bit: uint256) -> uint256:
    """
    @notice The bits of `word` below position `bit` (0..255).
    """
    above: uint256 = 1 << bit
    # unsafe: above is at least 1
    return word & unsafe_sub(above, 1)


@internal
@pure
def _lowest(word: uint256) -> uint256:
    """
    @notice Position of the lowest set bit of a word that is not 0.
    """
    # unsafe: wrapping negation isolates the lowest bit
    return self._highest(word & unsafe_add(~word, 1))


@internal
@pure
def _highest(word: uint256) -> uint256:
    """
    @notice Position of the highest set bit of a word that is not 0.
    """
    x: uint256 = word
    position: uint256 = 0
    # unsafe: the additions sum to at most 255
    if x >= 2**128:
        x >>= 128
        position = 128
    if x >= 2**64:
        x >>= 64
        position = unsafe_add(position, 64)
    if x >= 2**32:
        x >>= 32
        position = unsafe_add(position, 32)
    if x >= 2**16:
        x >>= 16
        position = unsafe_add(position, 16)
    if x >= 2**8:
        x >>= 8
        position = unsafe_add(position, 8)
    if x >= 2**4:
        x >>= 4
        position = unsafe_add(position, 4)
    if x >= 2**2:
        x >>= 2
        position = unsafe_add(position, 2)
    if x >= 2:
        position = unsafe_add(position, 1)
    return position

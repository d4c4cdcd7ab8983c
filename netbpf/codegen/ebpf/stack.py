"""The stack frame of a generated program: 512 bytes below r10, used from the top down.

- scratch, 16 bytes: what load_bytes writes, a map's key, the words of a set's member
- value, 16 bytes: a counter to insert
- zero, 8 bytes: a 0 of which the verifier knows nothing
- keys: the words of each, kept until all are known
- slots: 8 bytes for each value that found no register
"""

from __future__ import annotations

from netbpf.records import dataclass

STACK_SIZE = 512  # MAX_BPF_STACK, include/linux/filter.h
SCRATCH = -16
VALUE = -32
ZERO = -40
_KEYS = -40  # the end of the keys, which begin below it


@dataclass(frozen=True, slots=True)
class Frame:
    """Offsets from r10. `key_words` are the sizes of the keys, in 32-bit words."""

    key_words: tuple[int, ...] = ()

    def key(self, index: int) -> int:
        """Return where a key's first word is."""
        return _KEYS - sum(_size(words) for words in self.key_words[: index + 1])

    def slot(self, index: int) -> int:
        """Return where a slot is."""
        return _KEYS - sum(map(_size, self.key_words)) - 8 * (index + 1)

    def holds(self, slots: int) -> bool:
        """Whether there is room for so many slots."""
        return slots == 0 or self.slot(slots - 1) >= -STACK_SIZE


def _size(words: int) -> int:
    return (words * 4 + 7) // 8 * 8

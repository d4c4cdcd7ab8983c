from __future__ import annotations

from netbpf.codegen.ebpf.stack import SCRATCH, STACK_SIZE, VALUE, ZERO, Frame


def test_nothing_overlaps() -> None:
    """Sizes: scratch 16 bytes, value 16, zero 8, keys by their words, slots 8."""
    frame = Frame((1, 5, 10))
    places = [(SCRATCH, 16), (VALUE, 16), (ZERO, 8)]
    places += [(frame.key(0), 4), (frame.key(1), 20), (frame.key(2), 40)]
    places += [(frame.slot(0), 8), (frame.slot(1), 8)]
    end = 0
    for start, size in places:
        assert start + size <= end
        end = start
    assert all(start % 8 == 0 for start, _ in places)


def test_the_stack_ends() -> None:
    for frame in (Frame(), Frame((5, 10))):
        count = next(n for n in range(100) if not frame.holds(n))
        assert frame.slot(count - 2) >= -STACK_SIZE
        assert frame.slot(count - 1) < -STACK_SIZE
    assert Frame().holds(0)

"""netbpf.records against the standard library, on the same classes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from types import ModuleType
from typing import Any, ClassVar

import pytest

from netbpf import records

BOTH = pytest.mark.parametrize("module", [records, dataclasses], ids=lambda m: m.__name__)


def classes(module: ModuleType) -> dict[str, Any]:
    dataclass = module.dataclass

    @dataclass(frozen=True, slots=True)
    class Point:
        """A point."""

        origin: ClassVar[int] = 0
        x: int
        y: int = 5

        def norm(self) -> int:
            return self.x + self.y

        @property
        def twice(self) -> int:
            return self.x * 2

    @dataclass(frozen=True, slots=True)
    class Solid(Point):
        z: int = 7
        y: int = 6

    @dataclass(slots=True)
    class Basket:
        things: list[int] = module.field(default_factory=list)

    @dataclass
    class Loose:
        a: int
        _b: str = "b"

    @dataclass(frozen=True, slots=True)
    class Nothing:
        pass

    return locals()


@BOTH
@pytest.mark.parametrize("before", [0, 20])
def test_construction(module: ModuleType, before: int) -> None:
    """The first instances are made in another way than later ones."""
    made = classes(module)
    for number in range(before):
        assert made["Point"](number).x == made["Solid"](x=number).x == number
    point = made["Point"](1)
    assert (point.x, point.y, point.norm(), point.twice, point.origin) == (1, 5, 6, 2, 0)
    assert made["Point"](y=2, x=1) == made["Point"](1, 2)
    solid = made["Solid"](1)
    assert (solid.x, solid.y, solid.z, solid.norm()) == (1, 6, 7, 7)
    assert repr(made["Nothing"]()).endswith("Nothing()")
    for arguments in ((), (1, 2, 3)):
        with pytest.raises(TypeError, match="argument"):
            made["Point"](*arguments)
    with pytest.raises(TypeError, match="z"):
        made["Point"](1, z=3)
    with pytest.raises(TypeError, match="x"):
        made["Point"](1, x=3)


@BOTH
def test_a_factory_makes_a_value_for_each(module: ModuleType) -> None:
    basket = classes(module)["Basket"]
    first, second = basket(), basket()
    first.things.append(1)
    assert (first.things, second.things, basket([3]).things) == ([1], [], [3])


@BOTH
def test_equality_and_hash(module: ModuleType) -> None:
    made = classes(module)
    point, solid, nothing = made["Point"], made["Solid"], made["Nothing"]
    assert point(1, 2) == point(1, 2) != point(1, 3)
    assert point(1, 6) != solid(1, 6)
    assert hash(point(1, 2)) == hash(point(1, 2))
    assert {point(1, 2): 3}[point(1, 2)] == 3
    assert nothing() == nothing()
    assert hash(nothing()) == hash(nothing())
    with pytest.raises(TypeError, match="unhashable"):
        hash(made["Basket"]())


@BOTH
def test_frozen(module: ModuleType) -> None:
    point = classes(module)["Point"](1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    assert point.x == 1


@BOTH
def test_mutable(module: ModuleType) -> None:
    made = classes(module)
    loose = made["Loose"](1)
    loose.a = 2
    loose.other = 3
    assert loose == made["Loose"](2)
    basket = made["Basket"]()
    with pytest.raises(AttributeError):
        basket.other = 1


@BOTH
def test_slots(module: ModuleType) -> None:
    assert not hasattr(classes(module)["Solid"](1), "__dict__")


@BOTH
def test_repr(module: ModuleType) -> None:
    assert repr(classes(module)["Point"](1)).endswith("Point(x=1, y=5)")
    assert repr(classes(module)["Loose"](1, "é")).endswith("Loose(a=1, _b='é')")


@BOTH
def test_replace(module: ModuleType) -> None:
    made = classes(module)
    assert module.replace(made["Solid"](1, 2, 3), y=9) == made["Solid"](1, 9, 3)
    with pytest.raises(TypeError):
        module.replace(made["Point"](1), nonsense=1)


@BOTH
def test_match(module: ModuleType) -> None:
    point = classes(module)["Point"]
    match point(1, 2):
        case point(x, 2):
            assert x == 1
        case _:
            pytest.fail("no match")


@BOTH
def test_copy(module: ModuleType) -> None:
    point = classes(module)["Point"](1, 2)
    assert copy.copy(point) == copy.deepcopy(point) == point


def test_pickle() -> None:
    from netbpf.errors import Span

    assert pickle.loads(pickle.dumps(Span(1, 2))) == Span(1, 2)


def test_only_used_classes_are_compiled() -> None:
    point = classes(records)["Point"]
    before = point.__init__
    point(1)
    assert point.__init__ is before
    for number in range(20):
        point(number)
    assert point.__init__ is not before
    assert list(inspect.signature(point.__init__).parameters) == ["self", "x", "y"]

"""dataclass, field and replace, as in the standard library, but made when they are first used.

The standard decorator compiles six methods for each class while its module is imported. That is
0.4 ms a class, and half of the time that `netbpf compile` took. Here all classes share their
methods, and `__init__` is compiled once a class has had a few instances, which most never have.

Supported is what netbpf uses: frozen or not, slotted or not, defaults, default_factory, ClassVar,
inheritance among such classes; always eq and repr, hash where frozen. To type checkers these are
the standard library's functions. The lowest layer: imports nothing of netbpf.
"""

from __future__ import annotations

from operator import attrgetter
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass, field, replace  # noqa: TID251
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False):
        """Make the class a data class."""
        if cls is None:
            return lambda cls: _made(cls, frozen=frozen, slots=slots)
        return _made(cls, frozen=frozen, slots=slots)

    def field(*, default_factory):
        """Give a field a default that is made afresh for every instance."""
        return _Factory(default_factory)

    def replace(record, /, **changes):
        """Return a copy with some fields changed."""
        for name in record.__match_args__:
            if name not in changes:
                changes[name] = getattr(record, name)
        return type(record)(**changes)


__all__ = ["dataclass", "field", "replace"]

_FEW = 8  # instances of a class, which take less time than to compile a method
_REPLACED = ("__dict__", "__weakref__")  # what a class without slots has, and one with them has not


class _Factory:
    """Stands for a default that is made by calling something."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


_ABSENT = _Factory(lambda: None)


def _made(cls: type, *, frozen: bool, slots: bool) -> type:
    own = [name for name, kind in cls.__annotations__.items() if "ClassVar" not in str(kind)]
    namespace = {name: kind for name, kind in cls.__dict__.items() if name not in _REPLACED}
    inherited = getattr(cls, "__match_args__", ())
    names = (*inherited, *(name for name in own if name not in inherited))
    defaults = dict(getattr(cls, "__record_defaults__", {}))
    defaults |= {name: namespace.pop(name) for name in own if name in namespace}
    methods = _FROZEN if frozen else _MUTABLE
    added = {name: method for name, method in methods.items() if name not in namespace}
    added |= {
        "__match_args__": names,
        "__record_defaults__": defaults,
        "__record_instances__": 0,
        "__record_values__": staticmethod(_getter(names)),
    }
    if slots:
        added["__slots__"] = tuple(name for name in own if name not in inherited)
        return type(cls)(cls.__name__, cls.__bases__, {**namespace, **added})
    for name, value in added.items():
        setattr(cls, name, value)
    return cls


def _getter(names: tuple[str, ...]) -> Callable[[Any], Any]:
    """Return what takes all values out of a record, to be compared and hashed as one."""
    return attrgetter(*names) if names else lambda _: ()


# -- methods that all classes share ----------------------------------------------------------------


def _init(self: Any, *args: Any, **kwargs: Any) -> None:
    """Set the fields of one of a class's first instances; for others compile the class's own."""
    cls: Any = next(cls for cls in type(self).__mro__ if cls.__dict__.get("__init__") is _init)
    names = cls.__match_args__
    values = {**cls.__record_defaults__, **dict(zip(names, args, strict=False)), **kwargs}
    proper = len(args) <= len(names) and not kwargs.keys() & names[: len(args)]
    cls.__record_instances__ += 1
    if cls.__record_instances__ > _FEW or not proper or values.keys() != set(names):
        cls.__init__ = _compiled_init(cls)
        cls.__init__(self, *args, **kwargs)  # which complains of what is not proper, as Python does
        return
    for name, value in values.items():
        object.__setattr__(self, name, value.make() if isinstance(value, _Factory) else value)


def _compiled_init(cls: Any) -> Callable[..., None]:
    scope: dict[str, Any] = {"_absent": _ABSENT, "_set": object.__setattr__}
    parameters, body = ["self"], []
    for name in cls.__match_args__:
        value = name
        default = cls.__record_defaults__.get(name, _ABSENT)
        if default is _ABSENT:
            parameters.append(name)
        elif isinstance(default, _Factory):
            scope[f"_make_{name}"] = default.make
            parameters.append(f"{name}=_absent")
            value = f"_make_{name}() if {name} is _absent else {name}"
        else:
            scope[f"_default_{name}"] = default
            parameters.append(f"{name}=_default_{name}")
        slot = getattr(cls, name, None)
        if isinstance(slot, MemberDescriptorType):
            scope[f"_set_{name}"] = slot.__set__  # the quickest way, frozen or not
            body.append(f"_set_{name}(self, {value})")
        else:
            body.append(f"_set(self, {name!r}, {value})")
    exec(f"def __init__({', '.join(parameters)}):\n    {'; '.join(body) or 'pass'}", scope)
    compiled: Callable[..., None] = scope["__init__"]
    return compiled


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self.__record_values__(self) == self.__record_values__(other)


def _hash(self: Any) -> int:
    return hash(self.__record_values__(self))


def _repr(self: Any) -> str:
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{type(self).__qualname__}({values})"


def _reduce(self: Any) -> tuple[type, tuple[Any, ...]]:
    return type(self), tuple(getattr(self, name) for name in self.__match_args__)


def _refuse_set(self: Any, name: str, value: Any) -> None:  # noqa: ARG001
    from dataclasses import FrozenInstanceError  # noqa: TID251

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: Any, name: str) -> None:  # noqa: ARG001
    from dataclasses import FrozenInstanceError  # noqa: TID251

    raise FrozenInstanceError(f"cannot delete field {name!r}")


_MUTABLE: dict[str, Any] = {
    "__init__": _init, "__eq__": _eq, "__repr__": _repr, "__hash__": None, "__reduce__": _reduce,
}  # fmt: skip
_FROZEN: dict[str, Any] = _MUTABLE | {
    "__hash__": _hash, "__setattr__": _refuse_set, "__delattr__": _refuse_delete,
}  # fmt: skip

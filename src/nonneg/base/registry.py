"""A registry of named classes: what a new loss, solver or kind of input adds itself to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

C = TypeVar("C")


class Registry(Generic[C]):
    """Names to classes, in the order of registration.

    Parameters
    ----------
    what : str
        What the classes are, for messages.
    base : type or None
        The class that they have to derive from, where its defaults are relied on.
    """

    def __init__(self, what: str, base: type[C] | None = None) -> None:
        self.what = what
        self.base = base
        self._entries: dict[str, type[C]] = {}

    def register(self, name: str) -> Callable[[type[C]], type[C]]:
        """Class decorator that enters the class under `name`."""

        def enter(cls: type[C]) -> type[C]:
            if name in self._entries:
                msg = f"A {self.what} named {name!r} is registered already."
                raise ValueError(msg)
            if self.base is not None and not issubclass(cls, self.base):
                msg = (
                    f"The {self.what} {cls.__name__} must derive from "
                    f"{self.base.__name__}, which has defaults for what it leaves out."
                )
                raise TypeError(msg)
            self._entries[name] = cls
            return cls

        return enter

    def remove(self, name: str) -> None:
        """Take an entry out again (a plug-in's tests clean up with it)."""
        del self._entries[name]

    def class_of(self, entry: str | C) -> type[C]:
        """Class that is registered under a name, or that an instance is of."""
        return self._entries[entry] if isinstance(entry, str) else type(entry)

    def __getitem__(self, name: str) -> type[C]:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

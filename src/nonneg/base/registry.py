"""A registry of named classes, to which a new loss or solver adds itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

C = TypeVar("C")


class Registry(Generic[C]):
    """Classes by their names, in the order of registration.

    Parameters
    ----------
    what : str
        Noun for one of the classes, for messages.
    base : type or None
        The class that they must derive from; None allows any.
    """

    def __init__(self, what: str, base: type[C] | None = None) -> None:
        self.what = what
        self.base = base
        self._entries: dict[str, type[C]] = {}

    def register(self, name: str) -> Callable[[type[C]], type[C]]:
        """Return a class decorator that enters the class under `name`."""

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
        """Remove an entry; tests of plug-ins clean up with it."""
        del self._entries[name]

    def class_of(self, entry: str | C) -> type[C]:
        """Return the class registered under a name, or the class of an instance."""
        return self._entries[entry] if isinstance(entry, str) else type(entry)

    def __getitem__(self, name: str) -> type[C]:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

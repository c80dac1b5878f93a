"""A registry of named classes: what a new loss, solver or kind of input adds itself to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

C = TypeVar("C")


class Registry(Generic[C]):
    """Names to classes, in the order of registration."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._entries: dict[str, type[C]] = {}

    def register(self, name: str) -> Callable[[type[C]], type[C]]:
        """Class decorator that enters the class under `name`."""

        def enter(cls: type[C]) -> type[C]:
            if name in self._entries:
                msg = f"A {self.what} named {name!r} is registered already."
                raise ValueError(msg)
            self._entries[name] = cls
            return cls

        return enter

    def remove(self, name: str) -> None:
        """Take an entry out again (a plug-in's tests clean up with it)."""
        del self._entries[name]

    def __getitem__(self, name: str) -> type[C]:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

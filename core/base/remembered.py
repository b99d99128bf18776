"""Results that an object remembers by itself, so that they go when it goes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial, wraps
from typing import Any, TypeVar, cast

Method = TypeVar("Method", bound=Callable[..., Any])


def remembered(most: int) -> Callable[[Method], Method]:
    """`functools.lru_cache` of a method, with one cache per object that holds `most` results.

    A plain `lru_cache` on a method keeps its objects, and the patients they hold, alive for the whole process, and
    lets objects of different sessions push out each other's results.
    """

    def wrap(function: Method) -> Method:
        return cast(Method, _Remembered(most, function))

    return wrap


class _Remembered:
    """Puts the cache into the object when it is first asked for; from then on Python finds it there."""

    def __init__(self, most: int, function: Callable[..., Any]) -> None:
        self.most, self.function, self.__doc__ = most, function, function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self.function
        return instance.__dict__.setdefault(self.name, lru_cache(self.most)(partial(self.function, instance)))


def remembered_by(most: int) -> Callable[[Method], Method]:
    """`remembered` for a function of an object: its first argument holds the `most` last results.

    So what one asks of an object need not be a method of it. The other arguments are hashed.
    """

    def wrap(function: Method) -> Method:
        name = f"{function.__module__}.{function.__qualname__}"

        @wraps(function)
        def ask(of: Any, *asked: Any, **named: Any) -> Any:
            if name not in of.__dict__:
                of.__dict__[name] = lru_cache(most)(partial(function, of))
            return of.__dict__[name](*asked, **named)

        return cast(Method, ask)

    return wrap

"""From the name of a plugin to what makes it: an entry point of ours, or module:object."""

import importlib
from collections.abc import Callable
from difflib import get_close_matches
from functools import reduce
from importlib.metadata import entry_points
from typing import Any, Final

GROUP: Final = "jobmgrd.plugins"


def find(name: str) -> Callable[..., Any]:
    """The callable that makes a plugin.

    Raises:
        TypeError: what has the name makes nothing.
        ValueError: there is none of this name, or it cannot be imported; the text says which.
    """
    module, colon, path = name.partition(":")
    try:
        found = _object(module, path) if colon else _entry_point(name)
    except ValueError:
        raise
    except BaseException as error:  # importing runs any code
        raise ValueError(f"{name} cannot be loaded: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise TypeError(f"{name} is not callable: expected a class or a function")
    make: Callable[..., Any] = found
    return make


def _object(module: str, path: str) -> Any:  # noqa: ANN401 - whatever it is
    return reduce(getattr, path.split("."), importlib.import_module(module))


def _entry_point(name: str) -> Any:  # noqa: ANN401
    points = entry_points(group=GROUP)
    if name in points.names:
        return points[name].load()
    near = get_close_matches(name, points.names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    known = ", ".join(sorted(points.names))
    raise ValueError(f"no plugin {name!r} is installed{hint}: there are {known}")

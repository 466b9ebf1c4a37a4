"""Jobspecs to try: a minimal one, and what is changed of it."""

import copy
from typing import Any

MINIMAL: dict[str, Any] = {
    "version": 1,
    "resources": [
        {"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}
    ],
    "tasks": [{"command": ["app"], "slot": "task", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 0}},
}
DELETE = object()


def changed(*path: str | int, to: object = DELETE) -> dict[str, Any]:
    """MINIMAL with one value replaced or removed."""
    value = copy.deepcopy(MINIMAL)
    *levels, last = path
    level: Any = value
    for name in levels:
        level = level[name]
    if to is DELETE:
        del level[last]
    else:
        level[last] = to
    return value


def system(**attributes: object) -> dict[str, Any]:
    """MINIMAL with more attributes.system."""
    return changed("attributes", "system", to={"duration": 0} | attributes)


def options(value: object) -> dict[str, Any]:
    """MINIMAL with shell options."""
    return changed("attributes", "system", "shell", to={"options": value})


def slot(count: object = 1, children: object = None, **keys: object) -> dict[str, Any]:
    """A slot vertex."""
    children = children or [{"type": "core", "count": 1}]
    return {"type": "slot", "count": count, "label": "task", "with": children} | keys


def resources(*vertices: object) -> dict[str, Any]:
    """MINIMAL with another resource graph."""
    return changed("resources", to=list(vertices))

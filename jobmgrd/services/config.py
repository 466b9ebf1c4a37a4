"""config: what is configured, and changes of it, checked whole before any of it applies."""

import errno
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import structlog

from jobmgrd.call import Call, Empty
from jobmgrd.config import (
    ConfigError,
    Loaded,
    check,
    describe_change,
    load,
    restart_required,
)
from jobmgrd.routes import OWNER, Route
from protocol.errors import RpcError

log = structlog.get_logger()

PUBLIC: Final = frozenset({"queues", "policy", "resource"})
"""Tables that guests may see: flux's tools read there what jobs may ask for."""


class ConfigService:
    """Holds the configuration in force; `apply` hands a new one to those it concerns."""

    def __init__(self, path: Path | None, loaded: Loaded, apply: Callable[[Loaded], None]) -> None:
        self._path = path
        self._loaded = loaded
        self._apply = apply

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("config.get", Empty, self.get),
            Route("config.load", Mapping[str, Any], self.load, role=OWNER),
            Route("config.reload", Empty, self.reload_request, role=OWNER),
        ]

    def get(self, call: Call, _request: Empty) -> Mapping[str, object]:
        """The configuration as it was written; to guests, what it says of their jobs."""
        raw = self._loaded.raw
        return raw if call.cred.is_owner else {k: v for k, v in raw.items() if k in PUBLIC}

    def load(self, _call: Call, request: Mapping[str, Any]) -> None:
        """Replace the configuration by the request's tables."""
        try:
            self._take(check(request, "config.load"))
        except ConfigError as error:
            raise RpcError(errno.EINVAL, str(error)) from error

    def reload_request(self, _call: Call, _request: Empty) -> None:
        """Read the files again."""
        try:
            self._take(load(self._path))
        except ConfigError as error:
            raise RpcError(errno.EINVAL, f"Config file error: {error}") from error

    def reload(self) -> None:
        """Read the files again because of SIGHUP; an error is logged and changes nothing."""
        try:
            self._take(load(self._path))
        except ConfigError as error:
            log.error("config.reload-failed", reason=str(error))

    def _take(self, new: Loaded) -> None:
        old = self._loaded.config
        for warning in new.warnings:
            log.warning("config.warning", text=warning)
        self._apply(new)  # refuses it whole, or not at all
        self._loaded = new
        log.info(
            "config.loaded",
            changed=describe_change(old, new.config),
            restart_required=restart_required(old, new.config),
        )

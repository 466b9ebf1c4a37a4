"""config: what is configured, and changes of it, checked whole before any of it applies."""

import errno
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

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
from jobmgrd.router import OWNER, Route
from protocol.errors import RpcError

log = structlog.get_logger()


class ConfigService:
    """Holds the configuration in force; `apply` hands a new one to those it concerns."""

    def __init__(self, path: Path | None, loaded: Loaded, apply: Callable[[Loaded], None]) -> None:
        self._path = path
        self._loaded = loaded
        self._apply = apply

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("config.get", Empty, self.get, role=OWNER),
            Route("config.load", Mapping[str, Any], self.load, role=OWNER),
            Route("config.reload", Empty, self.reload_request, role=OWNER),
        ]

    def get(self, _call: Call, _request: Empty) -> Mapping[str, object]:
        """The configuration as it was written."""
        return self._loaded.raw

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

"""Where a client looks for the daemon."""

import subprocess
import sys

import pytest

from jobmgrd.client.uri import Endpoints, UriError, find


def test_a_run_directory_holds_both_sockets() -> None:
    """A path names the directory of rpc and events."""
    assert find("/run/jobmgrd", {}) == Endpoints(
        "ipc:///run/jobmgrd/rpc", "ipc:///run/jobmgrd/events"
    )


def test_events_are_the_sibling_of_an_rpc_endpoint() -> None:
    """An endpoint of the RPC socket alone is enough."""
    assert find("ipc:///srv/a/rpc", {}) == Endpoints("ipc:///srv/a/rpc", "ipc:///srv/a/events")


def test_both_endpoints_can_be_given() -> None:
    """Two endpoints with a comma between them need not be siblings."""
    assert find("ipc:///srv/a,ipc:///srv/b", {}) == Endpoints("ipc:///srv/a", "ipc:///srv/b")


def test_the_argument_wins_over_the_environment() -> None:
    """JOBMGRD_URI counts when no URI is given."""
    environ = {"JOBMGRD_URI": "/from/environ"}
    assert find(None, environ).rpc == "ipc:///from/environ/rpc"
    assert find("/from/argument", environ).rpc == "ipc:///from/argument/rpc"


def test_without_a_uri_the_default_run_directory_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing given and nothing set means the user's own daemon."""
    monkeypatch.setattr("os.getuid", lambda: 1000)
    environ = {"XDG_RUNTIME_DIR": "/run/user/1000"}
    assert find(None, environ).rpc == "ipc:///run/user/1000/jobmgrd/rpc"


def test_a_client_does_not_import_what_reads_configuration() -> None:
    """Finding the daemon's run directory costs a script neither TOML nor logging."""
    code = "import sys, jobmgrd.client; print(*({'tomli', 'structlog'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_tcp_is_refused_with_the_reason() -> None:
    """Plain tcp would be an open door."""
    with pytest.raises(UriError, match="tcp needs CURVE keys"):
        find("tcp://127.0.0.1:5000", {})


@pytest.mark.parametrize("uri", ["inproc://x", "local:///run/flux/local", "ipc://", "ipc:///a,/b"])
def test_other_schemes_are_refused(uri: str) -> None:
    """Only run directories and ipc endpoints can be connected to."""
    with pytest.raises(UriError, match="expected a run directory or an endpoint ipc://PATH"):
        find(uri, {})


def test_a_path_too_long_for_a_socket_is_refused() -> None:
    """The limit counts bytes, and is that of the longer of the two paths."""
    fits = "/" + "x" * 99  # with "/events" 107 bytes
    assert find(fits, {}).events == f"ipc://{fits}/events"
    with pytest.raises(UriError, match="path has 108 bytes, a unix socket's has at most 107"):
        find(fits + "x", {})
    with pytest.raises(UriError, match="path has 155 bytes"):
        find("/" + "é" * 75, {})

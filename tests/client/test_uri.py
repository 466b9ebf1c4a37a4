"""Where a client looks for the daemon."""

import subprocess
import sys
from pathlib import Path

import pytest

from jobmgrd.client.uri import Endpoints, UriError, find
from jobmgrd.curve import generate, write


def test_a_run_directory_holds_both_sockets() -> None:
    """A path names the directory of rpc and events, and of the local connector."""
    assert find("/run/jobmgrd", {}) == Endpoints(
        "ipc:///run/jobmgrd/rpc",
        "ipc:///run/jobmgrd/events",
        local="local:///run/jobmgrd/local",
    )


def test_the_local_connector_is_spelled_as_flux_spells_it() -> None:
    """Its events come over the connection that subscribes."""
    assert find("local:///run/jobmgrd/local", {}) == Endpoints("local:///run/jobmgrd/local")


@pytest.mark.parametrize(
    "uri", ["/run/jobmgrd", "local:///run/jobmgrd/local", "ipc:///run/jobmgrd/rpc"]
)
def test_the_run_directory_is_where_the_sockets_are(uri: str) -> None:
    """For those who look for more than sockets in it."""
    assert find(uri, {}).rundir == Path("/run/jobmgrd")


def test_a_daemon_over_tcp_has_no_run_directory_here() -> None:
    """It may be on another host."""
    assert Endpoints("tcp://h:5000").rundir is None


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


def test_tcp_needs_keys() -> None:
    """Plain tcp would be an open door."""
    with pytest.raises(UriError, match=r"tcp needs CURVE keys, and the client's key .* not given"):
        find("tcp://127.0.0.1:5000", {})


def test_events_over_tcp_come_on_the_connection_unless_an_endpoint_is_given(tmp_path: Path) -> None:
    """One port is enough, two are for those who want a SUB socket."""
    write(tmp_path / "key", generate(), {})
    keys = {"JOBMGRD_KEY": str(tmp_path / "key"), "JOBMGRD_SERVER_KEY": str(tmp_path / "key.pub")}
    assert find("tcp://[::1]:5000", keys).events is None
    assert find("tcp://h:5000,tcp://h:5001", keys).events == "tcp://h:5001"
    with pytest.raises(UriError, match="expected tcp://HOST:PORT"):
        find("tcp://h", keys)


@pytest.mark.parametrize(
    "uri", ["inproc://x", "ssh://h/run/flux/local", "ipc://", "local://", "ipc:///a,/b"]
)
def test_other_schemes_are_refused(uri: str) -> None:
    """Only run directories and these endpoints can be connected to."""
    with pytest.raises(UriError, match="run directory or an endpoint local://PATH or ipc://PATH"):
        find(uri, {})


def test_a_path_too_long_for_a_socket_is_refused() -> None:
    """The limit counts bytes, and is that of the longer of the two paths."""
    fits = "/" + "x" * 99  # with "/events" 107 bytes
    assert find(fits, {}).events == f"ipc://{fits}/events"
    with pytest.raises(UriError, match="path has 108 bytes, a unix socket's has at most 107"):
        find(fits + "x", {})
    with pytest.raises(UriError, match="path has 155 bytes"):
        find("/" + "é" * 75, {})

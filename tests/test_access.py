"""Who may connect, and as whom (RFC 12)."""

import os

import pytest

from jobmgrd.access import Access
from jobmgrd.config import ConfigError, check
from protocol.message import ROLE_ADMIN, ROLE_LOCAL, ROLE_OWNER, ROLE_USER, Cred

OWNER = 4000
GUEST = 4001
ME = os.getuid()


def access(**given: object) -> Access:
    """A policy as `[access]` sets it."""
    made = Access(OWNER)
    keys: dict[str, object] = {"allow_guest_user": True, "allow_root_owner": False, **given}
    made.configure(**keys)  # type: ignore[arg-type]
    return made


def test_the_owner_may_always_and_others_if_allowed() -> None:
    """Root is a guest like any other unless it may act as the owner."""
    assert Access(OWNER).admit(OWNER) == Cred(OWNER, ROLE_OWNER | ROLE_LOCAL)
    assert Access(OWNER).admit(GUEST) is None
    assert Access(OWNER).admit(0) is None
    assert access().admit(0) == Cred(0, ROLE_USER | ROLE_LOCAL)
    root = access(allow_root_owner=True, allow_guest_user=False)
    assert root.admit(0) == Cred(OWNER, ROLE_OWNER | ROLE_LOCAL)
    assert root.admit(GUEST) is None


def test_admins_are_guests_who_are_named_or_in_a_group() -> None:
    """A user whom the system does not know is in no group."""
    admin = Cred(GUEST, ROLE_USER | ROLE_ADMIN | ROLE_LOCAL)
    assert access(admins={GUEST}).admit(GUEST) == admin
    by_group = access(admin_groups={os.getgid()})
    assert by_group.admit(ME) == Cred(ME, ROLE_USER | ROLE_ADMIN | ROLE_LOCAL)
    assert by_group.admit(GUEST) == Cred(GUEST, ROLE_USER | ROLE_LOCAL)
    assert by_group.admit(OWNER) == Cred(OWNER, ROLE_OWNER | ROLE_LOCAL)


def test_a_key_stands_for_its_role_and_is_never_local() -> None:
    """Guests' keys are worth nothing where guests are not let in."""
    assert access().admit_key(GUEST, "owner") == Cred(OWNER, ROLE_OWNER)
    assert access().admit_key(GUEST, "admin") == Cred(GUEST, ROLE_USER | ROLE_ADMIN)
    assert access().admit_key(GUEST, "user") == Cred(GUEST, ROLE_USER)
    assert access(admins={GUEST}).admit_key(GUEST, "user") == Cred(GUEST, ROLE_USER | ROLE_ADMIN)
    closed = access(allow_guest_user=False)
    assert closed.admit_key(GUEST, "admin") is None
    assert closed.admit_key(GUEST, "owner") == Cred(OWNER, ROLE_OWNER)


def test_a_flux_sites_roles_are_read() -> None:
    """flux-config-access(5); a name that the system does not know is refused."""
    roles = {"admin": {"users": ["root"], "groups": ["root"]}}
    config = check({"access": {"roles": roles}}, "test").config
    assert config.access.roles.admin.users == {0}
    assert config.access.roles.admin.groups == {0}
    with pytest.raises(ConfigError, match=r"roles.admin\] groups: unknown group 'none-such'"):
        check({"access": {"roles": {"admin": {"groups": ["none-such"]}}}}, "test")
    with pytest.raises(ConfigError, match=r"\[access\] admins: unknown user 'none-such'"):
        check({"access": {"admins": ["none-such"]}}, "test")

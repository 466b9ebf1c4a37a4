"""Who may connect over a unix socket, and as whom: RFC 12's policy for the local connector."""

import os
import pwd
from collections.abc import Collection
from typing import Final

from protocol.message import (
    ROLE_ADMIN,
    ROLE_LOCAL,
    ROLE_OWNER,
    ROLE_USER,
    USERID_UNKNOWN,
    Cred,
)

_LOWER: Final = ROLE_USER | ROLE_LOCAL | ROLE_ADMIN


class Access:
    """The instance's owner always may; root and others if they are allowed to."""

    def __init__(self, owner: int) -> None:
        self._owner = owner
        self._guests = self._root = False
        self._admins: Collection[int] = ()
        self._admin_groups: Collection[int] = ()

    def configure(
        self,
        *,
        allow_guest_user: bool,
        allow_root_owner: bool,
        admins: Collection[int] = (),
        admin_groups: Collection[int] = (),
    ) -> None:
        """Take over `[access]`: it holds for those who connect from now on."""
        self._guests = allow_guest_user
        self._root = allow_root_owner
        self._admins = admins
        self._admin_groups = admin_groups

    def admit(self, userid: int) -> Cred | None:
        """Who a user is here; None if that user may not connect."""
        if userid == self._owner:
            return Cred(userid, ROLE_OWNER | ROLE_LOCAL)
        if userid == 0 and self._root:
            return Cred(self._owner, ROLE_OWNER | ROLE_LOCAL)
        return Cred(userid, self._guest(userid) | ROLE_LOCAL) if self._guests else None

    def admit_key(self, userid: int, role: str) -> Cred | None:
        """Who the holder of a key is; None if guests may not connect and this is one."""
        if role == "owner":
            return Cred(self._owner, ROLE_OWNER)
        if not self._guests:
            return None
        return Cred(userid, self._guest(userid) | (ROLE_ADMIN if role == "admin" else 0))

    def _guest(self, userid: int) -> int:
        if userid in self._admins or self._in_admin_group(userid):
            return ROLE_USER | ROLE_ADMIN
        return ROLE_USER

    def _in_admin_group(self, userid: int) -> bool:
        """Asked of the system when the user connects, and only if there is such a group."""
        if not self._admin_groups:
            return False
        return not set(groups_of(userid)).isdisjoint(self._admin_groups)


def groups_of(userid: int) -> Collection[int]:
    """The groups of a user of this host; nobody's are none."""
    try:
        user = pwd.getpwuid(userid)
    except KeyError:
        return ()
    return os.getgrouplist(user.pw_name, user.pw_gid)


def lowered(cred: Cred, claim: Cred) -> Cred:
    """Who an owner's message is from: who its header names, if that is less than the owner.

    Test tools act as a guest so (FLUX_HANDLE_USERID and FLUX_HANDLE_ROLEMASK). All others, and
    an owner that names no lower role, are who they are. See RFC 12, Credential Assignment.
    """
    if not cred.is_owner or not claim.rolemask or claim.is_owner:
        return cred
    userid = cred.userid if claim.userid == USERID_UNKNOWN else claim.userid
    return Cred(userid, claim.rolemask & _LOWER)

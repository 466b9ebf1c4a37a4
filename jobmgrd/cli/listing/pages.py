"""The jobs that match a constraint, in pages: there may be more than one message can carry."""

from collections.abc import Mapping, Sequence
from typing import Any

from jobmgrd.client import BlockingClient
from protocol.job_list import ListReply, ListRequest
from protocol.payload import convert


def listed(
    client: BlockingClient,
    constraint: Mapping[str, Any],
    attrs: Sequence[str] = (),
    limit: int = 0,
) -> list[Mapping[str, Any]]:
    """Ids and attributes of matching jobs (RFC 43), at most `limit` (0: all), as job-list.list.

    Raises:
        RpcError: the constraint or an attribute was refused.
    """
    request = ListRequest(max_entries=limit, attrs=attrs, constraint=constraint)
    pages = client.stream("job-list.list", request)
    return [job for page in pages for job in convert(page, ListReply).jobs]

"""A Temporal client for services that are asked for nothing of Temporal."""

import functools
from typing import cast
from unittest import mock

from temporalio.client import Client


@functools.cache
def nobodys_temporal() -> Client:
    """Has every method of a client and does nothing; made once, as looking through them all takes long."""
    return cast("Client", mock.create_autospec(Client, instance=True))

"""PRAW's way of sending a request, with a time limit that holds. Imports PRAW: only for when Reddit is really asked."""

from typing import Any

from prawcore import Requestor
from requests import Response
from typing_extensions import override


class TimedRequestor(Requestor):
    """PRAW 8 reads its `timeout` setting and then waits 16 seconds all the same."""

    @override
    def request(self, *args: Any, timeout: float | None = None, **kwargs: Any) -> Response:
        return super().request(*args, timeout=self.timeout, **kwargs)

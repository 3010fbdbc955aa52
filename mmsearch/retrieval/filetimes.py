"""Times of files that tell whether they changed."""

from __future__ import annotations

import os


def status_change_ns(facts: os.stat_result) -> int | None:
    """When a file's contents or attributes last changed, in nanoseconds; None where the system does not keep it.

    No tool can set this time, so it tells of a change that keeps size and modification time. On Windows the field of
    that name is the time of creation.
    """
    return None if os.name == "nt" else facts.st_ctime_ns

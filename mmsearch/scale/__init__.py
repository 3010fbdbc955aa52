"""More than one process or machine: plans of parts, workers, gathering, readers. Functions are imported when called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmsearch.scale.drivers.daft_driver import work_with_daft
    from mmsearch.scale.gathering import GatherReport, gather
    from mmsearch.scale.planning import Plan, make_plan, read_plan
    from mmsearch.scale.working import WorkReport, work

__all__ = ["GatherReport", "Plan", "WorkReport", "gather", "make_plan", "read_plan", "work", "work_with_daft"]

_MODULES = {
    "GatherReport": "gathering",
    "gather": "gathering",
    "Plan": "planning",
    "make_plan": "planning",
    "read_plan": "planning",
    "WorkReport": "working",
    "work": "working",
    "work_with_daft": "drivers.daft_driver",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found  # instead of the module of the same name
    return found

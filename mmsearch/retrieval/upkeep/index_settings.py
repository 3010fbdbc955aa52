"""Checking what kind of index is asked for, before anything is built."""

from __future__ import annotations

from dataclasses import replace

from mmsearch.retrieval.store.manifest import IndexSettings

_PLANNED_KINDS = ("auto", "exact", "ivfpq")


def changed_settings(settings: IndexSettings, index: str | None, recall: float | None) -> IndexSettings:
    """The settings with another kind of index or another recall; None leaves them as they are.

    Raises:
        UsageError: no such index can be built, or the recall is not in (0, 1].
    """
    if recall is not None:
        from mmsearch.indexes import check_recall_target

        check_recall_target(recall)
    if index is not None and index not in _PLANNED_KINDS:
        from mmsearch.indexes import plan_index

        plan_index(1_000_000, 512, requested=index)
    return replace(settings, index=index or settings.index, recall=recall or settings.recall)

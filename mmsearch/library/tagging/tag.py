"""Labels for the rows of a collection, by words alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from mmsearch.collection import Collection
from mmsearch.errors import UsageError
from mmsearch.library.tagging.kept import TABLE, KeptTags
from mmsearch.library.tagging.labels import KINDS, WORDS, Label, checked_probability, vocabulary, word_labels
from mmsearch.library.tagging.run import Run, WatchRows
from mmsearch.library.tagging.tagged import Tagged, count_tags
from mmsearch.types import Modality


def tag(
    collection: Collection,
    labels: str | Iterable[str] = (),
    *,
    vocabulary: str | os.PathLike[str] | None = None,
    min_probability: float | None = None,
    to: Modality | Sequence[Modality] | None = None,
    watch: WatchRows | None = None,
) -> Tagged:
    """Give labels to pictures, films and sounds by words alone, and keep them beside the rows.

    A label is given to a row if it probably fits, whatever other labels do; often none is. Labels are conditions then:
    ``where="tag = 'dog'"``. Rows that were looked at before are looked at again only for new labels. Of two calls at
    the same time, what the later one stores holds.

    Args:
        collection: the collection.
        labels: words, or one; they are added to those of earlier calls.
        vocabulary: many labels at once: ``everyday`` (2,900 things that are seen and 400 that are heard),
            ``moderation`` (what somebody may not want to show), or a file with a label in each line. Without labels and
            vocabulary, all that were given before are brought up to date; if none were, ``everyday``.
        min_probability: give labels from this probability on, in place of that of each label, 0.5 if it has none.
        to: ``image``, ``video`` or ``audio``, or several; default all of them.
        watch: called as the work goes on.

    Returns:
        What the labels of this call were given to.

    Raises:
        UsageError: a label or a file of labels that cannot be read, or nothing that could be labelled.
        NoSuchFileError: there is no such vocabulary or file.
        CannotEmbedError: no model of the collection embeds words.
        CollectionBusyError: another process writes to the collection.
    """
    kept = KeptTags(collection.side_table(TABLE))
    wanted = _wanted(kept, labels, vocabulary, min_probability, _kinds(to))
    run = Run(collection, kept, watch)
    for name, own in wanted.items():
        run.bring_up_to_date(name, own)
    run.keep()
    return count_tags(collection, kept, run.looked_at, _said_labels(labels, vocabulary, wanted))


def tags(collection: Collection) -> Tagged:
    """What labels rows have by earlier calls of `tag`.

    Args:
        collection: the collection.
    """
    return count_tags(collection, KeptTags(collection.side_table(TABLE)), 0, None)


def drop_tags(collection: Collection, names: str | Iterable[str] | None = None) -> int:
    """Take labels away.

    Args:
        collection: the collection.
        names: labels, or vocabularies with all their labels; None for everything.

    Returns:
        From how many rows a label was taken, each label counted for itself.

    Raises:
        UsageError: there is no such label or vocabulary; nothing is taken away then.
        CollectionBusyError: another process writes to the collection.
    """
    kept = KeptTags(collection.side_table(TABLE))
    before = len(kept.table)
    if names is None:
        collection.set_side_tables({TABLE: None})
        return before
    for name in [names] if isinstance(names, str) else list(names):
        if name in kept.vocabularies:
            kept.drop(name, None)
            del kept.vocabularies[name]
            continue
        holders = [key for key, one in kept.vocabularies.items() if any(label.name == name for label in one.labels)]
        if not holders:
            known = ", ".join(kept.vocabularies) or "none"
            raise UsageError(f"there is no label and no vocabulary {name!r}; vocabularies: {known}")
        for holder in holders:
            kept.drop(holder, [name])
            own = kept.vocabularies[holder]
            own.labels = [label for label in own.labels if label.name != name]
            if not own.labels:
                del kept.vocabularies[holder]
    collection.set_side_tables({TABLE: kept.stored() if kept.vocabularies else None})
    return before - len(kept.table)


def _kinds(to: Modality | Sequence[Modality] | None) -> tuple[Modality, ...]:
    given = (to,) if isinstance(to, str) else tuple(to or KINDS)
    for kind in given:
        if kind not in KINDS:
            raise UsageError(f"{kind!r} cannot be labelled; {', '.join(KINDS)} can")
    return tuple(kind for kind in KINDS if kind in given)


def _wanted(
    kept: KeptTags,
    labels: str | Iterable[str],
    name: str | os.PathLike[str] | None,
    least: float | None,
    to: tuple[Modality, ...],
) -> dict[str, list[Label]]:
    """The labels that each vocabulary is to have."""
    if least is not None:
        least = checked_probability(least)
    words = [labels] if isinstance(labels, str) else list(labels)
    wanted: dict[str, list[Label]] = {}
    if words:
        before = kept.vocabularies[WORDS].labels if WORDS in kept.vocabularies else []
        own = {label.name: label for label in (*before, *word_labels(words, least, to))}
        wanted[WORDS] = list(own.values())
    if name is not None:
        key, own_labels = vocabulary(os.fspath(name), least, to)
        wanted[key] = own_labels
    if wanted:
        return wanted
    if kept.vocabularies:
        return {key: one.labels for key, one in kept.vocabularies.items()}
    key, own_labels = vocabulary("everyday", least, to)
    return {key: own_labels}


def _said_labels(
    labels: str | Iterable[str], name: str | os.PathLike[str] | None, wanted: dict[str, list[Label]]
) -> dict[str, set[str]]:
    """The labels that a call was about, by vocabulary: of words, only those that it named."""
    words = {" ".join(word.split()) for word in ([labels] if isinstance(labels, str) else labels)}
    return {
        key: {label.name for label in own if key != WORDS or not words or label.name in words}
        for key, own in wanted.items()
    }

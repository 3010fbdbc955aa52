"""Labels of a person's own that say what is in a group (see `mmsearch.library.tag`): they go before other words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmsearch.collection import Collection
from mmsearch.library.groups.files import Files
from mmsearch.library.tagging.kept import TABLE
from mmsearch.library.tagging.labels import BUILT_IN

_LEAST_SHARE = 0.5
"""Of the files of a group: so many have the label that names it."""
_TIMES_MORE = 2.0
"""So many times as frequent in the group as in all files that were grouped."""


def own_labels(collection: Collection, files: Files, group: NDArray[np.int64], count: int) -> list[str | None]:
    """The label of each group that most of its files have and few others; None where there is none.

    Labels of the built-in vocabularies do not count: their words are compared with the group as a whole.
    """
    best: list[tuple[float, str | None]] = [(0.0, None)] * count
    table = collection.side_table(TABLE)
    if table is None or not len(files):
        return [None] * count
    sizes = np.maximum(np.bincount(group[group >= 0], minlength=count), 1)
    codes = table["label"].unify_dictionaries().combine_chunks()
    names, code = codes.dictionary.to_pylist(), codes.indices.to_numpy()
    built_in = {name for name in table["vocabulary"].unique().to_pylist() if name in BUILT_IN}
    is_own = np.array([one not in built_in for one in table["vocabulary"].to_pylist()], np.bool_)
    ids = table["id"].to_numpy()
    order = np.argsort(files.rows)
    rows = files.rows[order]
    for number in np.unique(code[is_own]).tolist():
        labelled = ids[is_own & (code == number)]
        places = np.minimum(np.searchsorted(rows, labelled), len(rows) - 1)
        found = np.unique(files.file_of_row[order[places[rows[places] == labelled]]])
        inside = group[found]
        shares = np.bincount(inside[inside >= 0], minlength=count) / sizes
        usual = len(found) / len(files)
        for i in np.flatnonzero((shares >= _LEAST_SHARE) & (shares >= _TIMES_MORE * usual)).tolist():
            best[i] = max(best[i], (float(shares[i]), names[number]))
    return [label for _, label in best]

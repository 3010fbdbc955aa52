"""What a reader may ask of a collection: whether a name is a place, and which cameras there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mmsearch.retrieval.search.session import Session


@dataclass(frozen=True, slots=True)
class KnownPlace:
    """A place.

    Attributes:
        name: its own name.
        people: how many live there; 0 for countries.
        is_own: files of the collection were made in a town or country of this name.
        near: for a town, its centre and how far it reaches, as a search takes it.
    """

    name: str
    people: int
    is_own: bool
    near: str | None


class KnownNames(Protocol):
    """Names that a collection knows. It is asked only about words that may well be such names."""

    def has_places(self) -> bool:
        """Whether of any file it is known where it was made."""

    def place(self, name: str) -> KnownPlace | None:
        """The place of a name.

        Args:
            name: in any spelling.
        """

    def own_place(self, name: str) -> KnownPlace | None:
        """The place of a name, if files of the collection were made there; the table of places is not read for it.

        Args:
            name: in any spelling.
        """

    def cameras(self) -> Sequence[str]:
        """The cameras with which files were made."""


class NamesOfCollection:
    """The names that one collection knows."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def has_places(self) -> bool:
        """Whether of any file it is known where it was made."""
        return bool(self._own())

    def place(self, name: str) -> KnownPlace | None:
        """The place of a name.

        Args:
            name: in any spelling.
        """
        from mmsearch.retrieval.places.names import folded
        from mmsearch.retrieval.places.table import places

        found = places().named(name)
        if found is None:
            return self.own_place(name)
        own = self._own()
        is_own = any(folded(one) in own for one in (found.name, name))
        near = None
        if found.kind == "town":
            near = f"{found.lat:.3f},{found.lon:.3f},{max(10, round(2 * found.radius_km)):g}km"
        return KnownPlace(found.name, found.people, is_own, near)

    def own_place(self, name: str) -> KnownPlace | None:
        """The place of a name, if files of the collection were made there.

        Args:
            name: in any spelling.
        """
        from mmsearch.retrieval.places.names import folded

        own = self._own().get(folded(name))
        return None if own is None else KnownPlace(own, 0, True, None)

    def cameras(self) -> Sequence[str]:
        """The cameras with which files were made."""
        from mmsearch.retrieval.search.place_filters import stored_values

        return self._session.retrying(lambda: stored_values(self._session.snapshot, "mms_camera"))

    def _own(self) -> dict[str, str]:
        """The towns and countries where files were made, by their folded names."""
        from mmsearch.retrieval.places.names import folded
        from mmsearch.retrieval.search.place_filters import stored_values

        def read() -> dict[str, str]:
            snapshot = self._session.snapshot
            return {folded(n): n for column in ("mms_country", "mms_place") for n in stored_values(snapshot, column)}

        return self._session.retrying(read)

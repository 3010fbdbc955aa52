"""The names of town and country of a file whose metadata states where it was made."""

from __future__ import annotations

from dataclasses import replace

from mmsearch.types import Facts


def with_place(facts: Facts) -> Facts:
    """The facts with place and country, where they have a position; unchanged without one, and nothing is read then."""
    if facts.lat is None or facts.lon is None:
        return facts
    from mmsearch.retrieval.places.table import places

    found = places().at(facts.lat, facts.lon)
    return replace(facts, place=facts.place or found.place, country=facts.country or found.country)

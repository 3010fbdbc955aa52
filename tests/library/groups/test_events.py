"""Events by gaps of time and place."""

from __future__ import annotations

import numpy as np

from mmsearch.library.groups.events import DAY, HOUR, find_events, kilometres

BERLIN, LISBON, PORTO = (52.5, 13.4), (38.7, -9.1), (41.15, -8.6)
MINUTE = HOUR // 60


class Album:
    """Pictures at times, of places that may be unknown."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.where: list[tuple[float, float]] = []

    def take(self, day: float, hour: float, count: int, place: tuple[float, float] | None = None, every: int = 4):
        for i in range(count):
            self.times.append(int(day * DAY + hour * HOUR + i * every * MINUTE))
            self.where.append(place or (np.nan, np.nan))
        return self

    def at_home(self, place: tuple[float, float] | None, weeks: int = 12):
        for week in range(weeks):
            self.take(week * 7 - 200, 12, 5, place)
        return self

    def events(self) -> list[int]:
        """How many pictures each event has, in order of time; the order of the pictures does not matter."""
        order = np.random.default_rng(0).permutation(len(self.times))
        where = np.array(self.where)[order]
        times = np.array(self.times, np.int64)[order]
        found = find_events(times, np.ones(len(order), bool), where[:, 0], where[:, 1])
        return np.bincount(found.event, minlength=found.count).tolist()


def test_a_long_gap_among_short_ones_divides():
    assert Album().take(0, 10, 20).take(0, 16, 30).events() == [20, 30]
    assert Album().take(0, 10, 20).take(0, 12.5, 30).events() == [50], "a pause of an hour is none"


def test_a_slow_day_is_one_event():
    """Two hours between pictures are usual here."""
    assert Album().take(0, 8, 7, every=120).events() == [7]


def test_days_divide():
    assert Album().take(0, 10, 4).take(3, 10, 4).take(20, 10, 4).events() == [4, 4, 4]


def test_a_journey_divides_though_the_gap_is_short():
    assert Album().take(0, 10, 5, LISBON, every=20).take(0, 12.5, 5, PORTO, every=20).events() == [5, 5]
    assert Album().take(0, 10, 5, LISBON, every=20).take(0, 12.5, 5, LISBON, every=20).events() == [10]


def test_a_journey_lies_in_the_longest_gap_between_known_places():
    album = Album().take(0, 10, 3, LISBON, every=10).take(0, 11, 2, every=10).take(0, 13, 3, every=10)
    assert album.take(0, 13.7, 3, PORTO, every=10).events() == [5, 6]


def test_days_away_from_home_are_one_trip_and_days_at_home_are_not():
    trip = Album().at_home(BERLIN).take(0, 9, 9, LISBON).take(0, 20, 9, LISBON).take(1, 11, 9, LISBON)
    assert trip.take(3, 10, 9, PORTO).events() == [5] * 12 + [27, 9]
    home = Album().at_home(BERLIN).take(0, 9, 9, BERLIN).take(0, 20, 9, BERLIN).take(1, 11, 9, BERLIN)
    assert home.events() == [5] * 12 + [9, 9, 9]


def test_without_places_days_in_a_row_are_a_trip_where_pictures_are_rare():
    trip = Album().at_home(None)
    for day in range(4):
        trip.take(day, 9, 9).take(day, 20, 9)
    assert trip.events() == [5] * 12 + [72]
    daily = Album()
    for day in range(60):
        daily.take(day, 12, 3)
    assert daily.events() == [3] * 60


def test_files_without_a_date_are_in_no_event():
    unknown = np.full(3, np.nan)
    found = find_events(np.array([0, 5, 9 * DAY]), np.array([True, False, True]), unknown, unknown)
    assert found.event.tolist() == [0, -1, 1]
    nothing = find_events(np.zeros(3, np.int64), np.zeros(3, bool), unknown, unknown)
    assert (nothing.event.tolist(), nothing.count) == ([-1, -1, -1], 0)
    one = find_events(np.array([7]), np.array([True]), unknown[:1], unknown[:1])
    assert (one.event.tolist(), one.count) == ([0], 1)


def test_kilometres():
    far = kilometres(np.array([LISBON, LISBON]), np.array([PORTO, (np.nan, 0)]))
    assert 270 < far[0] < 280
    assert np.isnan(far[1])

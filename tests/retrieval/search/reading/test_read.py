"""A table of lines and what they are understood as; and what they are not, which matters as much."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Sequence

import pytest

from mmsearch import KnownPlace, Reading, read_query
from mmsearch.errors import HintKind
from mmsearch.hits import Answer, Hits
from mmsearch.retrieval.places.names import folded
from mmsearch.retrieval.places.table import places
from mmsearch.retrieval.search.query_line import read_query_line
from mmsearch.types import Space

TODAY = dt.date(2026, 11, 30)  # a Monday


class Names:
    """What a collection knows whose files were made in Portugal and in Nice, with three cameras."""

    own = ("Lisbon", "Porto", "Portugal", "Nice")

    def __init__(self, places_known: bool = True) -> None:
        self._has_places = places_known

    def has_places(self) -> bool:
        return self._has_places

    def place(self, name: str) -> KnownPlace | None:
        found = places().named(name)
        if found is None:
            return None
        near = f"{found.lat:.2f},{found.lon:.2f},20km" if found.kind == "town" else None
        return KnownPlace(found.name, found.people, found.name in self.own, near)

    def own_place(self, name: str) -> KnownPlace | None:
        own = next((one for one in self.own if folded(one) == folded(name)), None)
        return None if own is None or not self._has_places else KnownPlace(own, 0, True, None)

    def cameras(self) -> Sequence[str]:
        return ["Canon EOS 80D", "Apple iPhone 15 Pro", "SONY ILCE-7M3"]


def told(reading: Reading) -> str:
    """A reading in one line: words; −minus; days; kinds; place, position, camera; "phrases"."""
    days = f"{reading.after or ''}..{reading.before or ''}"
    named = {"place": reading.place, "near": reading.near, "camera": reading.camera}
    parts = [
        reading.words,
        *(f"−{one}" for one in reading.minus),
        days if days != ".." else "",
        *reading.to,
        *(f"{name}={value}" for name, value in named.items() if value),
        *(f'"{phrase}"' for phrase in reading.phrases),
    ]
    return "; ".join(part for i, part in enumerate(parts) if part or not i)


READ = [
    ("beach without people", "beach; −people"),
    ("beach no people", "beach; −people"),
    ("a room with no windows", "a room; −windows"),
    ("car not red", "car; −red"),
    ("cars that are not red", "cars; −red"),
    ("hund ohne leine", "hund; −leine"),
    ("plage sans personnes", "plage; −personnes"),
    ("playa sin gente", "playa; −gente"),
    ("pizza without olives or onions", "pizza; −olives; −onions"),
    ("street without cars at night", "street at night; −cars"),
    ("dogs, no cats", "dogs; −cats"),
    ("beach July 2023", "beach; 2023-07-01..2023-08-01"),
    ("july 2023", "; 2023-07-01..2023-08-01"),
    ("beach in July 2023", "beach; 2023-07-01..2023-08-01"),
    ("May 2021", "; 2021-05-01..2021-06-01"),
    ("may 2021", "; 2021-05-01..2021-06-01"),
    ("march 2020 protest", "protest; 2020-03-01..2020-04-01"),
    ("14 July 2023", "; 2023-07-14..2023-07-15"),
    ("July 14, 2023", "; 2023-07-14..2023-07-15"),
    ("july 14th 2023", "; 2023-07-14..2023-07-15"),
    ("2023-07-14", "; 2023-07-14..2023-07-15"),
    ("14.07.2023", "; 2023-07-14..2023-07-15"),
    ("7/14/2023", "; 2023-07-14..2023-07-15"),
    ("birthday yesterday", "birthday; 2026-11-29..2026-11-30"),
    ("yesterday", "; 2026-11-29..2026-11-30"),
    ("dogs last summer", "dogs; 2026-06-01..2026-09-01"),
    ("last summer", "; 2026-06-01..2026-09-01"),
    ("this summer", "; 2026-06-01..2026-09-01"),
    ("summer 2022", "; 2022-06-01..2022-09-01"),
    ("winter 2021", "; 2021-12-01..2022-03-01"),
    ("last week", "; 2026-11-23..2026-11-30"),
    ("last month", "; 2026-10-01..2026-11-01"),
    ("last year", "; 2025-01-01..2026-01-01"),
    ("this year", "; 2026-01-01..2027-01-01"),
    ("trip 2019-2021", "trip; 2019-01-01..2022-01-01"),
    ("2019-2021", "; 2019-01-01..2022-01-01"),
    ("from 2019 to 2021", "; 2019-01-01..2022-01-01"),
    ("between March 2020 and May 2021", "; 2020-03-01..2021-06-01"),
    ("beach in 2019", "beach; 2019-01-01..2020-01-01"),
    ("photos 2019", "; 2019-01-01..2020-01-01; image"),
    ("2019 photos", "; 2019-01-01..2020-01-01; image"),
    ("since 2020", "; 2020-01-01.."),
    ("kids since May 2021", "kids; 2021-05-01.."),
    ("before 2015", "; ..2015-01-01"),
    ("before May 2021", "; ..2021-05-01"),
    ("until 2020", "; ..2021-01-01"),
    ("after 2020", "; 2021-01-01.."),
    ("Christmas 2022", "; 2022-12-24..2022-12-27"),
    ("last christmas", "; 2025-12-24..2025-12-27"),
    ("New Year's Eve 2021", "; 2021-12-31..2022-01-01"),
    ("easter 2023", "; 2023-04-07..2023-04-11"),
    ("3 days ago", "; 2026-11-27..2026-11-28"),
    ("two weeks ago", "; 2026-11-16..2026-11-23"),
    ("last 30 days", "; 2026-10-31..2026-12-01"),
    ("in the 1990s", "; 1990-01-01..2000-01-01"),
    ("photos of dogs", "dogs; image"),
    ("photos without people", "; −people; image"),
    ("photos in Lisbon", "; image; place=Lisbon"),
    ("photos July 2023", "; 2023-07-01..2023-08-01; image"),
    ("family photos", "family; image"),
    ("videos with cats", "cats; video"),
    ("video of a goal", "a goal; video"),
    ("songs by Queen", "Queen; audio"),
    ("songs about love", "love; audio"),
    ("documents about taxes", "taxes; text"),
    ("beach in Lisbon", "beach; place=Lisbon"),
    ("beach in lisbon", "beach; place=lisbon"),
    ("in Portugal", "; place=Portugal"),
    ("near 38.7,-9.1", "; near=38.7,-9.1"),
    ("beach near 38.7, -9.1", "beach; near=38.7,-9.1"),
    ("castle near Lisbon", "castle; near=38.73,-9.15,20km"),
    ("in Nice", "; place=Nice"),
    ("cheese in Turkey", "cheese; place=Turkey"),
    ("in Orange", "; place=Orange"),
    ("in Bath", "; place=Bath"),
    ("car in Paris, Texas", "car; place=Paris, Texas"),
    ("taken with a Canon EOS 80D", "; camera=Canon EOS 80D"),
    ("dogs taken with my iPhone", "dogs; camera=iPhone"),
    ("iPhone photos", "; image; camera=iPhone"),
    ("iPhone photos of dogs", "dogs; image; camera=iPhone"),
    ('"to the letter" invoice', 'to the letter invoice; "to the letter"'),
    ('invoice "total due" July 2023', 'invoice total due; 2023-07-01..2023-08-01; "total due"'),
    ('„Rechnung Nr" 2021', 'Rechnung Nr 2021; "Rechnung Nr"'),
    ("cats in Portugal last summer without people", "cats; −people; 2026-06-01..2026-09-01; place=Portugal"),
    ("songs without vocals", "; −vocals; audio"),
    ("the year without a summer", "the year; −summer"),
    ("boots in the Netherlands", "boots; place=Netherlands"),
    ("in New York", "; place=New York"),
    ("snow in New York City in January 2022", "snow; 2022-01-01..2022-02-01; place=New York City"),
    ("photos from Lisbon", "; image; place=Lisbon"),
    ("pictures from yesterday", "; 2026-11-29..2026-11-30; image"),
    ("videos from last week", "; 2026-11-23..2026-11-30; video"),
    ("last three days", "; 2026-11-27..2026-12-01"),
    ("Weihnachten 2022", "; 2022-12-24..2022-12-27"),
    ("urlaub im Juli 2023", "urlaub; 2023-07-01..2023-08-01"),
    ("vacances juillet 2022", "vacances; 2022-07-01..2022-08-01"),
    ("doors without handles", "doors; −handles"),
    ("rooms without a view of the sea", "rooms; −view of the sea"),
    ("jazz between 1950 and 1960", "jazz; 1950-01-01..1961-01-01"),
    ("sunset before 2020 in Lisbon", "sunset; ..2020-01-01; place=Lisbon"),
    ("dogs and cats, not blurry", "dogs and cats; −blurry"),
    ("in Reading", "; place=Reading"),
    ("photos with no people", "; −people; image"),
    ("show me my videos of cats", "cats; video"),
    ("all photos from last week", "; 2026-11-23..2026-11-30; image"),
    ("kitchen, not white, in Berlin", "kitchen; −white; place=Berlin"),
    ("pictures of Paris", "Paris; image"),
    ("film of the party in 2019", "the party; 2019-01-01..2020-01-01; video"),
    ("photo of a cat", "a cat; image"),
    ("summer of 2019", "; 2019-06-01..2019-09-01"),
    ('"exact words" photos in Lisbon', 'exact words; image; place=Lisbon; "exact words"'),
    ("photos with Anna in Lisbon near the river", "Anna near the river; image; place=Lisbon"),
    ("a man in Split", "a man; place=Split"),
    ("beach, summer 2022, without people", "beach; −people; 2022-06-01..2022-09-01"),
    ("2 years ago", "; 2024-01-01..2025-01-01"),
    ("a year ago", "; 2025-01-01..2026-01-01"),
    ("this week", "; 2026-11-30..2026-12-07"),
    ("this month", "; 2026-11-01..2026-12-01"),
    ("last Saturday", "; 2026-11-28..2026-11-29"),
    ("last March", "; 2026-03-01..2026-04-01"),
    ("on 14 July 2023", "; 2023-07-14..2023-07-15"),
    ("during summer 2022", "; 2022-06-01..2022-09-01"),
    ("from July 2023 to August 2023", "; 2023-07-01..2023-09-01"),
    ("taken in 2019", "; 2019-01-01..2020-01-01"),
    ("taken before 2015", "; ..2015-01-01"),
    ("since last summer", "; 2026-06-01.."),
    ("Fotos von Hunden ohne Leine", "Hunden; −Leine; image"),
    ("Bilder mit Katzen", "Katzen; image"),
    ("photos de chiens sans laisse", "chiens; −laisse; image"),
    ("recordings of birds", "birds; audio"),
    ("movies about space", "space; video"),
    ("footage of a crash", "a crash; video"),
]

WORDS = [
    "no people",
    "no smoking sign",
    "no dogs allowed",
    "not a hot dog",
    "to be or not to be",
    "404 not found",
    "No. 5",
    "sans serif font",
    "sin city",
    "a may tree",
    "in May",
    "the march",
    "3/4/2023",
    "party last night",
    "beach 2019",
    "before sunset",
    "after rain",
    "christmas tree",
    "christmas tree 2022",
    "90s fashion",
    "1984",
    "blade runner 2049",
    "receipt for July 2023",
    "invoice 2021",
    "a photo of a dog",
    "photos",
    "wall of photos",
    "song of the sea",
    "the sound of rain",
    "text on a sign",
    "nice dog in nice weather",
    "nice",
    "reading in bed",
    "reading",
    "turkey",
    "turkey dinner",
    "in turkey",
    "orange",
    "march",
    "china",
    "china plate in china",
    "jordan",
    "bath",
    "dog in a bath",
    "split",
    "banana split",
    "mobile",
    "mobile phone",
    "victoria",
    "august",
    "Paris, Texas",
    "Men in Black",
    "Alice in Wonderland",
    "shot on Leica",
    "canon",
    "16:9",
    "7:30 train",
    "3:1",
    "E=mc^2",
    "ISBN 978-3-16-148410-0",
    "version 2.0.1",
    "python 3.11",
    '27" monitor',
    "5'2\" x 6'3\"",
    "a dog on a beach",
    "New York",
    "cheap flights to Lisbon",
    "man with no name",
    "why not",
    "girl at the window",
    "movies",
    "not without you",
    "photos on a wall",
    "nuts and bolts",
    "no",
    "without",
    "in",
    "last",
    "a documents folder",
    "children playing",
    "the last of us",
    "may the force be with you",
    "march of the penguins",
    "august rush",
    "spring roll",
    "fall leaves",
    "sunday roast",
    "chad",
    "georgia on my mind",
    "sandwich",
    "cork board",
    "photos in nice",
    "letter from a friend",
    "near the river",
    "at the beach",
    "in the snow",
    "A Tale of Two Cities",
    "room 2019",
    "iPhone 2019",
    "10:30",
    "3.14",
    "192.168.2.1",
    "v1.2.3",
    "50-60 people",
    "10-12 years",
    "1984-1980",
    "pages 12-14",
    "555-1234",
    "2023-13-01",
    "31 February 2023",
    "windows 95",
    "route 66",
    "photo 51",
    "Mr. No",
    "dr no",
    "never say no",
    "no-parking",
    "not",
    "nothing",
    "notre dame",
    "know how",
    "last march",
]


def read(line: str) -> Reading:
    return read_query(line, known=Names(), today=TODAY)


@pytest.mark.parametrize(("line", "expected"), READ)
def test_a_line_is_read(line, expected):
    assert told(read(line)) == expected


@pytest.mark.parametrize("line", WORDS)
def test_words_stay_words(line):
    found = read(line)
    assert found.words == line
    assert found.is_plain


def test_the_table_has_more_than_a_hundred_lines():
    assert len({line for line, _ in READ}) > 100
    assert len(set(WORDS)) > 100


@pytest.mark.parametrize("line", ["beach in lisbon", "beach in Lisbon", "castle near Lisbon"])
def test_a_place_is_words_where_no_file_says_where_it_was_made(line):
    found = read_query(line, known=Names(places_known=False), today=TODAY)
    assert found.words == line
    told_so = [str(notice) for notice in found.notices]
    assert told_so == (
        []
        if line.endswith("lisbon")
        else ["no file says where it was made, so Lisbon is taken as words, not as a place"]
    )


def test_without_a_collection_dates_kinds_and_negations_are_read():
    found = read_query("photos of dogs without cats in Lisbon in July 2023 near 38.7,-9.1")
    assert told(found) == "dogs in Lisbon; −cats; 2023-07-01..2023-08-01; image; near=38.7,-9.1"


def test_a_camera_that_nothing_was_made_with_is_said():
    (notice,) = read("dogs shot on Leica").notices
    assert str(notice) == "no file was made with a camera called Leica, which is taken as a word"


def test_a_reading_is_described_for_people():
    assert read("beach without people July 2023").describe() == "beach − people · July 2023"
    assert read("photos of the beach in Lisbon last week").describe() == (
        "the beach · in Lisbon · photos · last week (2026-11-23 to 2026-11-29)"
    )
    assert read("photos in Lisbon").describe() == "everything · in Lisbon · photos"
    assert read('"total due" 42').describe() == 'total due 42 · "total due"'


def test_a_reading_is_a_query_with_options():
    found = read("beach without people July 2023")
    assert found.query.describe() == ["beach", "-people"]
    assert found.options == {"after": "2023-07-01", "before": "2023-08-01"}
    alone = read("photos July 2023")
    assert alone.query.describe() == ["a photo"]
    assert alone.options["sort"] == "newest"
    assert read("videos without people").options == {"to": ("video",)}


def test_a_reading_as_json_names_its_parts_as_they_are_written():
    found = read("beach without people last summer").to_json()
    assert found["words"] == "beach"
    assert found["minus"] == ["people"]
    assert {part["kind"]: part["text"] for part in found["parts"]} == {"minus": "without people", "date": "last summer"}


def test_an_answer_that_the_reading_leaves_nothing_of_says_so():
    space = Space("mini", "w", "p", 8)
    (notice,) = read("beach in Paris").explain(Answer(["beach"], space, Hits())).notices
    assert str(notice) == "nothing is left of what the line was read as (beach · in Paris)"
    assert notice.hint is not None
    assert notice.hint.kind is HintKind.TAKE_LITERALLY
    assert read("beach").explain(Answer(["beach"], space, Hits())).notices == ()


def test_a_line_of_the_command_line_is_read_but_not_literal_or_weighted_terms():
    def options(*terms: str, **how: bool) -> dict[str, object]:
        return read_query_line(terms, known=Names(), today=TODAY, **how).options

    july = {"after": "2023-07-01", "before": "2023-08-01"}
    assert options("beach", "July", "2023") == options("beach July 2023") == july
    assert options("beach July 2023", literal=True) == options("beach July 2023", as_text=True) == {}
    assert options("text:July", "2023") == options("beach July 2023^2") == {}
    line = read_query_line(["dogs without cats", "July 2023"], known=Names(), today=TODAY)
    assert line.query.describe() == ["dogs", "-cats"]
    assert line.options == july
    assert [str(notice) for notice in line.notices][-1] == "read as: dogs − cats · July 2023"


def test_what_is_given_goes_before_what_is_read():
    line = read_query_line(["photos July 2023"], known=Names(), today=TODAY)
    assert line.options_with({"after": "2020", "to": (), "sort": None, "exact": False}) == {
        **line.options,
        "after": "2020",
        "exact": False,
    }


def test_quoted_words_are_phrases_and_nothing_in_them_is_read():
    found = read('"in July 2023" photos of receipts')
    assert found.phrases == ("in July 2023",)
    assert told(found) == 'in July 2023 receipts; image; "in July 2023"'


def test_filters_beside_a_file_filter_it_and_order_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dog.jpg").touch()
    line = read_query_line(["dog.jpg", "in", "Lisbon"], known=Names(), today=TODAY)
    assert line.query.describe() == ["file:dog.jpg"]
    assert line.options == {"place": "Lisbon"}
    liked = read_query_line(["photos July 2023"], like=["12"], known=Names(), today=TODAY)
    assert liked.query.describe() == ["like:12"]
    assert "sort" not in liked.options


def test_a_plain_query_loads_neither_the_readers_nor_the_table_of_places(gallery):
    code = f"""
import sys
from mmsearch.cli import main
sys.argv = ["mmsearch", "query", sys.argv[1], "-c", {str(gallery.root)!r}]
try:
    main()
finally:
    heavy = ("mmsearch.retrieval.search.reading.reader", "mmsearch.retrieval.places.table")
    print([name for name in heavy if name in sys.modules], file=sys.stderr)
"""

    def loaded(line: str) -> str:
        done = subprocess.run([sys.executable, "-c", code, line], capture_output=True, text=True, check=True)
        return done.stderr.splitlines()[-1]

    assert loaded("a dog on a beach") == "[]"
    assert loaded("a dog in the snow") == "['mmsearch.retrieval.search.reading.reader']"

"""The side view: films and sounds at their moments, texts with what stands around, facts, and what one can do."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmsearch import Collection

PLAYING = "() => { const one = document.querySelector('.stage video, .stage audio'); return one && !one.paused; }"
TIME = "document.querySelector('.stage video, .stage audio').currentTime"


@pytest.fixture
def open_result(open_page, tiles):
    """Opens the first result of a query; the page, once the server has told all facts."""

    def open_one(query, **options):
        page = open_page(query, **options)
        tiles(page)
        page.click(".tile a >> nth=0")
        page.wait_for_selector(".facts dt:has-text('File')")
        return page

    return open_one


def test_a_film_plays_at_the_moment_that_was_found(open_result):
    page = open_result("?q=a+rocket+at+night&to=video")
    page.wait_for_function(PLAYING)
    assert 11.5 < page.evaluate(TIME) < 15
    assert page.inner_text(".level strong") == "Strong match"
    assert "by what is seen · 0:12–0:16" in page.inner_text(".level .meaning")


def test_the_bar_leads_to_the_other_moments_of_a_film(open_result, tiles):
    page = open_result("?q=a+rocket+at+night&to=video")
    page.wait_for_function(PLAYING)
    page.wait_for_selector(".moment")
    labels = page.evaluate("[...document.querySelectorAll('.moment')].map((one) => one.ariaLabel)")
    assert [label.split(",")[0] for label in labels] == [
        "Play 0:00–0:04",
        "Play 0:04–0:08",
        "Play 0:08–0:12",
        "Play 0:12–0:16",
    ]
    assert page.get_attribute(".moment:nth-child(4)", "aria-current") == "true"
    page.click(".moment:nth-child(2)")
    page.wait_for_function(f"() => {TIME} >= 4 && {TIME} < 8")
    page.wait_for_function(PLAYING)
    page.reload()
    page.wait_for_selector(".moment")
    page.wait_for_function(f"() => {TIME} >= 4 && {TIME} < 8")


def test_a_film_that_the_browser_cannot_play_is_converted(open_page, tiles, films, library, tmp_path, run_server):
    from mmsearch.serve import create_app

    pictures = [Image.open(library / "photos" / f"{name}.jpg").resize((320, 240)) for name in ("coffee", "rocket")]
    frames = [picture for picture in pictures for _ in range(60)]
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "old.avi").write_bytes(films.film(frames, format="avi", codec="mpeg4", fps=12))
    with Collection.create(tmp_path / "old.mms", model="mini") as old:
        old.index([tmp_path / "films"], workers=1)
        with run_server(create_app([old])) as address:
            page = open_page("?q=a+rocket+at+night&to=video", at=address)
            tiles(page)
            page.click(".tile a >> nth=0")
            page.wait_for_selector("text=Converted for this browser")
            page.wait_for_function(PLAYING)
            assert "/clip/" in page.get_attribute("video", "src")
            assert "from=5" in page.get_attribute("video", "src")
            page.context.close()


def test_a_film_whose_streams_are_copied_plays_from_the_moment(open_page, tiles, films, library, tmp_path, run_server):
    """A browser does not know the container. The copy begins at the key frame before the moment."""
    from mmsearch.serve import create_app

    pictures = [Image.open(library / "photos" / f"{name}.jpg").resize((320, 240)) for name in ("coffee", "rocket")]
    frames = [picture for picture in pictures for _ in range(60)]
    (tmp_path / "films").mkdir()
    film = films.film(frames, format="mpegts", fps=12, options={"g": "48", "sc_threshold": "0"})  # a key frame at 4 s
    (tmp_path / "films" / "broadcast.ts").write_bytes(film)
    with Collection.create(tmp_path / "old.mms", model="mini") as old:
        old.index([tmp_path / "films"], workers=1)
        with run_server(create_app([old])) as address:
            page = open_page("?q=a+rocket+at+night&to=video", at=address)
            tiles(page)
            page.click(".tile a >> nth=0")
            page.wait_for_selector("text=Converted for this browser")
            assert "from=5" in page.get_attribute("video", "src")
            played = "document.querySelector('video').played"
            page.wait_for_function(f"() => {played}.length && {played}.start({played}.length - 1) >= 0.9")
            page.context.close()


def test_a_sound_plays(open_result):
    page = open_result("?q=waves+on+the+beach&to=audio")
    assert page.inner_text(".view h2") == "waves.wav"
    page.wait_for_function(PLAYING)
    page.wait_for_function(f"() => {TIME} > 0.2")


def test_a_text_shows_the_passage_and_marks_the_words(open_result):
    page = open_result("?q=rye+bread&to=text")
    assert page.inner_text(".view h2") == "bread.txt"
    page.wait_for_selector(".passages .found")
    marked = page.evaluate("[...document.querySelectorAll('.passages mark')].map((one) => one.innerText.toLowerCase())")
    assert {"rye", "bread"} <= set(marked)


def test_a_picture_is_shown_in_full_with_its_facts(open_result, library):
    page = open_result("?q=a+cat")
    page.wait_for_function("() => document.querySelector('.stage .full').naturalWidth > 0")
    with Image.open(library / "photos" / "chelsea.jpg") as picture:
        size = f"{picture.width} × {picture.height}"
    facts = page.inner_text(".facts")
    assert size in facts
    assert str(library / "photos") in facts
    assert page.inner_text(".view .place").startswith("1 / ")


def test_the_room_of_a_picture_is_kept_before_it_is_there(open_page, tiles):
    page = open_page("?q=a+cat")
    tiles(page)
    page.route("**/media/*", lambda route: None)  # never answered
    page.click(".tile a >> nth=0")
    box = page.locator(".stage").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(451 / 300, rel=0.02)


def test_a_result_is_downloaded_and_its_path_copied(open_result, library):
    page = open_result("?q=a+cat", permissions=["clipboard-read", "clipboard-write"])
    with page.expect_download() as download:
        page.click("text=Download")
    assert download.value.suggested_filename == "chelsea.jpg"
    page.click("text=Copy path")
    page.wait_for_selector("text=Copied")
    assert page.evaluate("navigator.clipboard.readText()") == str(library / "photos" / "chelsea.jpg")


def test_only_a_local_server_offers_to_show_the_folder(open_result, served, run_server):
    from mmsearch.serve import create_app

    assert open_result("?q=a+cat").query_selector("text=Show in folder") is not None
    with run_server(create_app({"library": served["library"]}, local=False)) as address:
        page = open_result("?q=a+cat", at=address)
        assert page.query_selector("text=Show in folder") is None
        page.context.close()


def test_similar_results_lead_from_one_to_the_next(open_result):
    page = open_result("?q=a+cat")
    name = page.get_attribute(".similar button >> nth=0", "title")
    page.click(".similar button >> nth=0")
    page.wait_for_function("(name) => document.querySelector('.view h2').innerText === name", arg=name)
    page.go_back()
    page.wait_for_function("() => document.querySelector('.view h2').innerText === 'chelsea.jpg'")


def test_the_address_of_a_result_opens_it(open_result, open_page):
    address = open_result("?q=a+cat").url
    page = open_page(f"?{address.partition('?')[2]}")
    page.wait_for_selector(".facts dt:has-text('File')")
    assert page.inner_text(".view h2") == "chelsea.jpg"


def test_a_result_that_is_no_more_is_said(open_page):
    page = open_page("?q=a+cat&open=99999999")
    page.wait_for_selector(".view .line.wrong")
    assert "99999999" in page.inner_text(".view .line.wrong")


def test_a_file_that_is_gone_is_said_and_not_played(open_page, tiles, drawn, tmp_path, run_server):
    from mmsearch.serve import create_app

    (tmp_path / "photos").mkdir()
    for name in ("disc.png", "grid.png"):
        drawn(name).save(tmp_path / "photos" / name)
    with Collection.create(tmp_path / "gone.mms", model="mini") as gone:
        gone.index([tmp_path / "photos"], workers=1)
        (tmp_path / "photos" / "disc.png").unlink()
        with run_server(create_app([gone])) as address:
            page = open_page("", at=address)
            tiles(page)
            page.click(".tile a:has-text('disc.png')")
            page.wait_for_selector(".stage.missing")
            assert page.query_selector("text=Download") is None
            page.context.close()


def test_the_match_of_vectors_of_an_unknown_model_is_not_rated(open_page, tiles, served):
    from mmsearch.serve.search_request import vector_term

    collection = served["many"]
    term = vector_term(np.ones(8, np.float32), collection.space.key, "image", "asked.jpg")
    data = term["vector"].replace("+", "-").replace("/", "_").rstrip("=")
    page = open_page(f"?c=many&v=image~{term['space']}~asked.jpg~{data}")
    tiles(page)
    page.click(".tile a >> nth=0")
    assert page.inner_text(".level strong") == "Match not rated"


def test_a_page_of_a_pdf_is_shown_with_its_text_and_opens_at_the_page(
    open_page, tiles, tmp_path, documents, run_server
):
    from mmsearch.serve import create_app

    folder = tmp_path / "papers"
    folder.mkdir()
    prose = ["The keeper of the lighthouse lights the lamp every evening."] * 12
    (folder / "report.pdf").write_bytes(documents.pdf(["Whales swim in the sea."] * 12, prose))
    collection = Collection.create(tmp_path / "c.mms", model="mini")
    collection.index([folder], workers=1)
    with run_server(create_app({"c": collection})) as address:
        page = open_page("?q=the+lighthouse+keeper&to=text", at=address)
        assert "report.pdf, text, page 2" in tiles(page)[0]
        page.click(".tile a >> nth=0")
        page.wait_for_function("() => document.querySelector('.stage.picture .full')?.naturalWidth > 200")
        assert "The keeper of the lighthouse" in page.inner_text(".passages .found")
        link = page.wait_for_selector(".actions a:has-text('Open at page 2')")
        assert link.get_attribute("href").endswith("#page=2")
        assert (link.get_attribute("target"), link.get_attribute("rel")) == ("_blank", "noopener")


def test_the_line_that_matched_is_marked_in_the_picture_and_in_its_text(
    reads_text, written, open_page, tiles, tmp_path, run_server
):
    from mmsearch.serve import create_app

    (tmp_path / "signs").mkdir()
    written.page(["Pharmacy Raulino", "Open until 155918"]).save(tmp_path / "signs" / "sign.png")
    with Collection.create(tmp_path / "signs.mms", model="mini") as collection:
        collection.index([tmp_path / "signs"], workers=1)
        with run_server(create_app({"signs": collection}, local=True)) as address:
            page = open_page("?q=155918", at=address)
            tiles(page)
            page.click(".tile a >> nth=0")
            page.wait_for_selector(".stage .boxes rect")
            picture = page.locator(".stage img.full").bounding_box()
            boxes = [box.bounding_box() for box in page.locator(".stage .boxes rect").all()]
            assert len(boxes) == 1, "only the second line"
            assert boxes[0]["y"] > picture["y"] + 0.2 * picture["height"]
            assert boxes[0]["x"] + boxes[0]["width"] < picture["x"] + picture["width"]
            assert page.inner_text(".passages") == "Pharmacy Raulino\nOpen until 155918"
            assert page.inner_text(".passages mark") == "155918"

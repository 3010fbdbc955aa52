"""Searching on the page: words, files, filters, marks, the address, the keyboard, and what goes wrong."""

from __future__ import annotations

import base64
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from mmsearch import Collection

DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type }));
  const make = (kind) => new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true });
  window.dispatchEvent(make("dragenter"));
  const said = new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(
    document.querySelector(".drop")?.textContent), 50)));
  return said.then((text) => { window.dispatchEvent(make("drop")); return text; });
}"""
PASTE = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type }));
  document.querySelector("#words").dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: carried, bubbles: true, cancelable: true }));
}"""


def address_of(page):
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def ask(page, words):
    page.fill("#words", words)
    page.keyboard.press("Enter")
    page.wait_for_function("(words) => new URLSearchParams(location.search).get('q') === words", arg=words)


def carried(path, media_type):
    return [path.name, media_type, base64.b64encode(path.read_bytes()).decode()]


def test_before_anything_is_asked_all_files_are_there_newest_first(open_page, tiles):
    page = open_page()
    labels = tiles(page)
    assert page.inner_text(".summary") == "12 files, newest first"
    assert {label.split(",")[0] for label in labels[:2]} == {"bread.txt", "notes.txt"}
    assert len(labels) == 12


def test_words_find_a_picture(open_page, tiles):
    page = open_page()
    ask(page, "a cat")
    assert tiles(page)[0] == "chelsea.jpg, picture, Strong match"
    assert "good match" in page.inner_text("[role=status]")
    page.wait_for_function("() => document.querySelector('.tile img')?.naturalWidth > 0")


def test_results_come_while_one_types(open_page, tiles):
    page = open_page()
    page.type("#words", "a cup of coffee", delay=5)
    page.wait_for_url("**q=a+cup+of+coffee*")
    assert tiles(page)[0].startswith("coffee.jpg")


def test_a_minus_pushes_away(open_page):
    page = open_page()
    with page.expect_request("**/api/search") as asked:
        ask(page, 'animal t-shirt -cat -"red car"')
    assert asked.value.post_data_json["line"] == "animal t-shirt"
    assert asked.value.post_data_json["minus"] == ["cat", "red car"]


def test_what_the_words_were_read_as_is_shown_and_can_be_taken_away(open_page):
    page = open_page()
    ask(page, "photos of a cat without dogs since 1990")
    page.wait_for_selector(".chips.read")
    chips = page.locator(".chips.read button")
    assert [text.strip() for text in chips.all_inner_texts()] == ["photos", "since 1990", "− dogs"]
    chips.nth(1).click()
    page.wait_for_url("**q=photos+of+a+cat+without+dogs")
    page.wait_for_function("() => document.querySelectorAll('.chips.read button').length === 2")


def test_a_minus_alone_is_explained(open_page):
    page = open_page()
    ask(page, "-cat")
    assert "Say what to look for too" in page.inner_text(".line")


def test_a_dropped_picture_is_searched_by_and_kept_in_the_address(open_page, tiles, library):
    page = open_page("?q=rocket")
    tiles(page)
    said = page.evaluate(DROP, carried(library / "photos" / "coffee.jpg", "image/jpeg"))
    assert said == "Drop to search by it"
    page.wait_for_selector(".example img")
    assert tiles(page)[0].startswith("coffee.jpg")
    assert address_of(page)["v"].startswith("image~mini-")
    assert "q" not in address_of(page)
    page.reload()
    assert tiles(page)[0].startswith("coffee.jpg")
    page.click(".example button", force=True)
    page.wait_for_function("() => !location.search.includes('v=')")


def test_a_picture_is_pasted(open_page, tiles, library):
    page = open_page("?to=image")
    tiles(page)
    page.evaluate(PASTE, carried(library / "photos" / "astronaut.jpg", "image/jpeg"))
    page.wait_for_selector(".example")
    assert tiles(page)[0].startswith("astronaut.jpg")


def test_a_sound_is_chosen_and_words_are_added(open_page, tiles, library):
    page = open_page()
    page.set_input_files("input[type=file]", library / "sounds" / "waves.wav")
    page.wait_for_selector(".example")
    assert tiles(page)[0].startswith("waves.wav")
    with page.expect_request("**/api/search") as asked:
        ask(page, "the sea")
    (sound,) = asked.value.post_data_json["terms"]
    assert (sound["modality"], sound["name"]) == ("audio", "waves.wav")
    assert asked.value.post_data_json["line"] == "the sea"


def test_a_file_that_cannot_be_read_is_explained(open_page, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(99))
    page = open_page()
    page.set_input_files("input[type=file]", tmp_path / "broken.jpg")
    page.wait_for_selector(".line.wrong")
    assert page.query_selector(".example") is None


def test_chips_choose_kinds_years_and_folders(open_page, tiles, library):
    page = open_page()
    page.click(".chip:has-text('Sounds')")
    page.wait_for_function("() => document.querySelector('.summary')?.innerText.startsWith('4 files')")
    page.click(".chip:has-text('Films')")
    page.wait_for_function("() => document.querySelector('.summary').innerText.startsWith('5 files')")
    assert address_of(page)["to"] == "video,audio"
    page.click(".chip:has-text('Sounds')")
    page.click(".chip:has-text('Films')")
    page.click(".chip:has-text('2024')")
    page.wait_for_function("() => document.querySelector('.summary').innerText.startsWith('2 files')")
    assert page.get_attribute(".chip:has-text('2024')", "aria-pressed") == "true"
    page.click(".chip:has-text('2024')")
    page.select_option("[aria-label=Folder]", label="photos")
    page.wait_for_function("() => document.querySelector('.summary').innerText.startsWith('5 files')")
    assert address_of(page) == {"under": str(library / "photos")}


def test_filters_that_leave_nothing_say_so(open_page, tiles):
    page = open_page("?to=text&year=2021")
    page.click("text=Clear the filters")
    assert len(tiles(page)) == 12


def test_back_and_reload_bring_results_back(open_page, tiles):
    page = open_page()
    tiles(page)
    ask(page, "a cat")
    assert tiles(page)[0].startswith("chelsea.jpg")
    ask(page, "a rocket")
    page.wait_for_function("() => document.querySelector('.tile .unseen').textContent.startsWith('rocket.jpg')")
    page.reload()
    assert tiles(page)[0].startswith("rocket.jpg")
    assert page.input_value("#words") == "a rocket"
    page.go_back()
    page.wait_for_function("() => document.querySelector('.tile .unseen')?.textContent.startsWith('chelsea.jpg')")
    assert page.input_value("#words") == "a cat"
    page.go_back()
    page.wait_for_function("() => document.querySelectorAll('.tile').length === 12")


def test_marks_refine_the_query_and_stay_in_the_address(open_page, tiles):
    page = open_page("?q=a+cup&to=image")
    first, second = tiles(page)[:2]
    page.click(".tile a >> nth=0")
    with page.expect_request(lambda request: "like" in (request.post_data or "")) as asked:
        page.click("text=More like this")
    liked = asked.value.post_data_json["like"]
    assert len(liked) == 1
    page.wait_for_selector("[aria-label='More like'] img")
    assert first not in tiles(page)
    page.keyboard.press("Escape")
    page.click(f".tile a:has-text('{second.split(',')[0]}')")
    page.click("text=Less like this")
    page.wait_for_selector("[aria-label='Less like'] img")
    page.reload()
    page.wait_for_selector("[aria-label='Less like'] img")
    assert address_of(page)["like"] == str(liked[0])
    assert second.split(",")[0] not in {label.split(",")[0] for label in tiles(page)}
    page.click("text=Forget the marks")
    page.wait_for_function("() => !location.search.includes('like')")


def test_similar_asks_by_the_result_itself(open_page, tiles):
    page = open_page("?q=a+cat")
    tiles(page)
    page.click(".tile a >> nth=0")
    page.click(".action:has-text('Similar')")
    page.wait_for_selector(".example img")
    assert set(address_of(page)) == {"by", "to"}
    assert "chelsea.jpg" not in " ".join(tiles(page))


def test_the_keyboard_is_enough(open_page, tiles):
    page = open_page("?q=a+cat&to=image")
    labels = tiles(page)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "words"
    focused = "document.activeElement.querySelector('.unseen').textContent"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == labels[0]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(focused) == labels[1]
    page.keyboard.press("Enter")
    page.wait_for_selector(".view .level")
    assert page.evaluate("document.activeElement.tagName") == "H2"
    page.keyboard.press("ArrowRight")
    name = labels[2].split(",")[0]
    page.wait_for_function("(name) => document.querySelector('.view h2').innerText === name", arg=name)
    page.keyboard.press("Escape")
    page.wait_for_selector(".view", state="detached")
    page.wait_for_function(
        "(label) => document.activeElement.querySelector('.unseen')?.textContent === label", arg=labels[2]
    )
    page.keyboard.press("End")
    assert page.evaluate(focused) == labels[-1]
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "words"
    page.keyboard.press("Escape")
    assert page.input_value("#words") == ""


def test_another_collection_is_chosen_by_a_menu(open_page, tiles):
    page = open_page()
    tiles(page)
    assert page.inner_text("[aria-label=Collection]").split("\n")[0] == "library (12)"
    page.select_option("[aria-label=Collection]", "many")
    page.wait_for_function("() => document.querySelector('.summary')?.innerText.startsWith('100,000 files')")
    assert address_of(page) == {"c": "many"}


def test_a_collection_that_is_not_there_is_named(open_page):
    page = open_page("?c=nowhere")
    assert 'No collection is called "nowhere".' in page.inner_text(".line.wrong")
    page.click("text=Open the first collection")
    page.wait_for_selector(".tile")


def test_no_good_match_is_said_and_the_nearest_are_shown(open_page, tiles):
    page = open_page("?q=tax+return+form")
    tiles(page)
    assert page.inner_text(".summary").split("\n") == ["No good match.", "The nearest:"]
    assert page.inner_text("[role=status]") == "No good match. The nearest are shown."


def test_less_likely_results_stand_below_a_heading(open_page, tiles):
    page = open_page("?q=a+cat")
    labels = tiles(page)
    assert page.inner_text(".heading") == "Less likely"
    heading = page.locator(".heading").bounding_box()["y"]
    poor = next(i for i, label in enumerate(labels) if label.endswith(("Weak match", "No match")))
    assert page.locator(f"[data-index='{poor - 1}']").bounding_box()["y"] < heading
    assert page.locator(f"[data-index='{poor}']").bounding_box()["y"] > heading


def test_an_empty_collection_says_how_to_fill_it_and_fills_by_itself(open_page, served, library, tiles, tmp_path):
    page = open_page("?c=empty")
    page.wait_for_selector("text=Nothing is indexed yet")
    root = served["empty"].root
    assert page.inner_text(".command code") == f"mmsearch index FOLDER -c {root}"
    with Collection.open(root) as writing:
        writing.index([library / "photos"], workers=1)
    assert len(tiles(page)) == 5


def test_a_busy_server_is_asked_again(open_page, tiles):
    page = open_page()
    tiles(page)
    busy = {"status": 429, "headers": {"Retry-After": "1"}, "json": {"error": {"message": "busy", "kind": "Busy"}}}
    page.route("**/api/search", lambda route: route.fulfill(**busy), times=1)
    ask(page, "a cat")
    page.wait_for_selector("text=The server is busy")
    page.wait_for_function("() => document.querySelector('.tile .unseen').textContent.startsWith('chelsea.jpg')")
    assert page.query_selector(".line") is None


def test_a_server_that_is_gone_is_waited_for(open_page, tiles):
    page = open_page()
    tiles(page)
    page.context.set_offline(True)
    ask(page, "a cat")
    page.wait_for_selector("text=The server does not answer")
    page.context.set_offline(False)
    page.click("text=Try again")
    page.wait_for_function("() => document.querySelector('.tile .unseen').textContent.startsWith('chelsea.jpg')")


def test_a_wrong_filter_is_one_line_with_a_way_out(open_page, tiles):
    page = open_page("?q=a+cat&under=/nowhere")
    page.wait_for_selector(".line.wrong")
    assert page.inner_text(".line.wrong").startswith("No folder /nowhere is indexed.")
    page.click("text=Clear the filters")
    assert tiles(page)[0].startswith("chelsea.jpg")


def test_the_document_stays_small_with_100_000_results(open_page, tiles):
    page = open_page("?c=many")
    tiles(page)
    ragged = """() => {
      const [rows, grid] = [new Map(), document.querySelector('.tiles').getBoundingClientRect()];
      for (const one of document.querySelectorAll('.tile')) {
        const { top, right } = one.getBoundingClientRect();
        rows.set(top, [...(rows.get(top) ?? []), right]);
      }
      const ends = [...rows.values()].filter((rights) => rights.length > 1).map((rights) => Math.max(...rights));
      return ends.filter((right) => Math.abs(right - Math.floor(grid.right)) > 1).length;
    }"""
    place = "document.querySelector('[data-index=\"3\"]').closest('li').style.transform"
    before = page.evaluate(place)
    for _ in range(6):
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        page.wait_for_timeout(150)
        assert page.evaluate(ragged) == 0  # what does not fill a row waits for more
        assert page.evaluate("document.querySelectorAll('.tile').length") < 150
    seen = page.evaluate("Math.max(...[...document.querySelectorAll('[data-index]')].map((one) => one.dataset.index))")
    assert seen > 500
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_selector('[data-index="3"]')
    assert page.evaluate(place) == before
    assert re.match(r"0999\d\d\.jpg", tiles(page)[0])


@pytest.mark.parametrize(("scheme", "brightness"), [("light", range(200, 256)), ("dark", range(60))])
def test_the_page_is_light_or_dark_as_the_system_is(open_page, scheme, brightness):
    page = open_page(color_scheme=scheme)
    colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert all(int(value) in brightness for value in re.findall(r"\d+", colour))


def test_a_narrow_screen_has_no_sideways_scrolling_and_the_result_fills_it(open_page, tiles):
    page = open_page("?q=a+cat", width=390, height=844, has_touch=True, is_mobile=True)
    tiles(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.tap(".tile a >> nth=0")
    page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
    view = page.locator("[role=dialog][aria-modal=true]").bounding_box()
    assert (view["x"], view["y"], view["width"], view["height"]) == (0, 0, 390, 844)
    assert page.evaluate("document.querySelector('main').inert")
    page.go_back()
    page.wait_for_selector(".view", state="detached")


def test_the_page_works_below_a_path_of_another_app(open_page, tiles, served, run_server):
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from mmsearch.serve import create_app

    app = Starlette(routes=[Mount("/find", create_app({"library": served["library"]}))])
    with run_server(app) as address:
        page = open_page("find/?q=a+cat", at=address)
        assert tiles(page)[0].startswith("chelsea.jpg")
        page.wait_for_function("() => document.querySelector('.tile img')?.naturalWidth > 0")
        page.context.close()

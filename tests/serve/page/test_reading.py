"""Every state of the page can be read by everyone: axe-core finds no violations, in light and in dark."""

from __future__ import annotations

import pytest

STATES = {
    "all files": ("", None),
    "results": ("?q=a+cat", None),
    "no good match": ("?q=tax+return+form", None),
    "filters and marks": ("?q=a+cup&to=image,text&like=1&unlike=2&year=2021", None),
    "a film": ("?q=a+rocket+at+night&to=video", ".moment"),
    "a sound": ("?q=waves&to=audio", ".facts"),
    "a text": ("?q=rye+bread&to=text", ".passages .found"),
    "a picture": ("?q=a+cat&to=image", ".similar button"),
    "an error": ("?q=a+cat&under=/nowhere", None),
    "nothing": ("?to=text&year=2021", None),
    "no such collection": ("?c=nowhere", None),
}


@pytest.mark.parametrize("state", STATES)
def test_every_state_can_be_read_by_everyone(open_page, violations, state):
    query, opened = STATES[state]
    page = open_page(query)
    page.wait_for_selector(".results:not(.stale) .tile, .line, .empty")
    if opened:
        page.click(".tile a >> nth=0")
        page.wait_for_selector(opened)
    assert violations(page) == []


@pytest.mark.parametrize("opened", [False, True])
def test_a_narrow_screen_can_be_read_by_everyone(open_page, violations, opened):
    page = open_page("?q=a+cat", width=390, height=844, has_touch=True, is_mobile=True)
    page.wait_for_selector(".tile")
    if opened:
        page.tap(".tile a >> nth=0")
        page.wait_for_selector(".similar button")
    assert violations(page) == []


def test_the_help_can_be_read_by_everyone(open_page, violations):
    page = open_page("")
    page.click("[aria-label='How to search']")
    page.wait_for_selector("dialog[open]")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")


def test_those_who_want_no_motion_get_none(open_page, tiles):
    page = open_page("?q=a+cat", reduced_motion="reduce")
    tiles(page)
    page.click(".tile a >> nth=0")
    page.wait_for_selector(".view")
    long = "[...document.getAnimations()].filter((one) => one.effect.getTiming().duration > 1).length"
    assert page.evaluate(long) == 0

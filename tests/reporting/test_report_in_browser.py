"""A report in a browser: every tab and control by mouse and keyboard, in two widths."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

import nonneg
from support.requirements import needs_browser

webdriver = pytest.importorskip("selenium.webdriver")
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
pytestmark = needs_browser


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rng = np.random.default_rng(0)
    X = (
        rng.gamma(0.5, size=(50, 3)) @ rng.gamma(0.5, size=(3, 12))
        + rng.random((50, 12)) / 5
    )
    frame = pd.DataFrame(
        X, columns=[*(f"gene{j}" for j in range(11)), "<script>bad()</script>"]
    )
    model = nonneg.NMFCV(range(2, 5), method="bcv", random_state=0).fit(frame)
    path = tmp_path_factory.mktemp("report") / "report.html"
    nonneg.report(model, frame, axis=True, image_shape=(3, 4)).save(path)
    return path


@pytest.fixture(scope="module")
def browser():
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "headless=new",
        "no-sandbox",
        "disable-dev-shm-usage",
        "disable-gpu",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture(params=[(1280, "light"), (420, "dark")], ids=["wide", "narrow"])
def page(request, browser, path):
    width, scheme = request.param
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.get(path.as_uri())
    yield browser
    assert browser.get_log("browser") == []


def find(page, css):
    return page.find_elements("css selector", css)


def test_tabs_show_one_part_each(page):
    tabs = find(page, "[role=tab]")
    assert len(tabs) == 6
    for tab in tabs:
        tab.click()
        shown = [
            p.get_attribute("id")
            for p in find(page, "[role=tabpanel]")
            if p.is_displayed()
        ]
        assert shown == [tab.get_attribute("aria-controls")]
        # nothing is cut off at the side
        assert page.execute_script(
            "return document.documentElement.scrollWidth <= innerWidth"
        )
    tabs[-1].send_keys(Keys.ARROW_RIGHT)  # from the last to the first
    assert page.switch_to.active_element == tabs[0]
    assert tabs[0].get_attribute("aria-selected") == "true"


def test_components_are_searched_and_reordered(page):
    cards = find(page, ".card")
    search, status = find(page, "#search")[0], find(page, "#count")[0]
    search.send_keys("no such gene")
    assert not [card for card in cards if card.is_displayed()]
    assert status.text == f"0 of {len(cards)} components"
    search.clear()
    search.send_keys("GENE3")
    assert [card for card in cards if card.is_displayed()]
    order = find(page, "#order")[0]
    for name, sign in (("number", 1), ("total", -1), ("share", -1)):
        find(order, f"[value={name}]")[0].click()
        values = [float(c.get_attribute(f"data-{name}")) for c in find(page, ".card")]
        assert values == sorted(values, key=lambda value: sign * value)


def test_tables_sort_both_ways(page):
    for panel in ("rows", "fit", "convergence", "rank"):
        find(page, f"#tab-{panel}")[0].click()
        for button in find(page, f"#panel-{panel} thead button"):
            head = button.find_element("xpath", "..")
            column = page.execute_script("return arguments[0].cellIndex", head)
            ways = []
            for _ in range(2):
                button.send_keys(Keys.ENTER)
                way = head.get_attribute("aria-sort")
                cells = page.execute_script(
                    "return [...arguments[0].closest('table').tBodies[0].rows].map(row => "
                    "row.cells[arguments[1]].dataset.value ?? row.cells[arguments[1]].innerText)",
                    head, column,
                )  # fmt: skip
                try:
                    known = [float(c) for c in cells if c != "NaN"]
                except ValueError:
                    ways.append(way)
                    continue
                assert known == sorted(known, reverse=way == "descending")
                ways.append(way)
            assert set(ways) == {"ascending", "descending"}


def test_the_picture_of_w_names_entries(page):
    find(page, "#tab-rows")[0].click()
    line, picture = find(page, "#map-line")[0], find(page, "#map")[0]
    picture.send_keys(Keys.ARROW_RIGHT)
    assert " %" in line.text
    before = line.text
    webdriver.ActionChains(page).move_to_element(picture).perform()
    assert line.text != before
    assert ", component " in line.text


def test_values_are_text_in_the_browser(page):
    shown = page.find_element("css selector", "tbody").get_attribute("innerText")
    assert shown
    names = page.execute_script(
        "return [...document.querySelectorAll('.bars th')].map(e => e.textContent)"
    )
    assert "<script>bad()</script>" in names
    titles = page.execute_script(
        "return document.querySelectorAll('.mark title').length"
    )
    assert titles > 10


def test_a_print_has_every_part(page):
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert all(panel.is_displayed() for panel in find(page, "[role=tabpanel]"))
        assert not find(page, "[role=tablist]")[0].is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})

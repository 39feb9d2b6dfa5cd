"""The review in a real browser: quiet, alone, readable on a phone and on a desk, by keyboard and on paper.

It needs Chromium and its driver on the path. Where they are not, nothing is tested, unless SKENSEMBLE_BROWSER is set.
"""

import base64
import json
import os
import re
import shutil
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from _live_cases import Leans, Says
from sklearn.dummy import DummyRegressor

from skensemble import (
    LiveEnsemble,
    RegimeAwareEnsembleClassifier,
    RegimeAwareEnsembleRegressor,
    review,
    walk_forward,
)

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER) and not os.environ.get("SKENSEMBLE_BROWSER"),
    reason="Chromium and chromedriver are not on the path",
)

N, INITIAL = 400, 100
KINDS = ("numbers", "classes", "live")
WIDTHS = (400, 1400)


def regressor_walk():
    rng = np.random.default_rng(0)
    y = pd.Series(rng.normal(size=N), pd.bdate_range("2022-01-03", periods=N))
    X = pd.DataFrame({k: y + scale * rng.normal(size=N) for k, scale in enumerate((0.3, 0.5, 2.0))})
    models = [
        (name, Says(k)) for k, name in enumerate(("ridge", "a model with a long name, without a break", "x" * 60))
    ]
    ensemble = RegimeAwareEnsembleRegressor(models, combiner="dynamic", random_state=0)
    rivals = {"always the mean": DummyRegressor(), "ensemble": ensemble}
    regimes = np.array(["calm", "a regime with a long name", "wild"])[np.arange(N) // 20 % 3]
    return walk_forward(rivals, X, y, initial=INITIAL, regimes=regimes, returns=y / 100, judge_models=True)


def classifier_walk():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 2))
    y = np.where(X[:, 0] + 0.5 * rng.normal(size=N) > 0, "up", "down")
    models = [("a", Leans(0)), ("b", Leans(1))]
    ensemble = RegimeAwareEnsembleClassifier(models, combiner="dynamic", random_state=0)
    return walk_forward({"ensemble": ensemble}, X, y, initial=INITIAL)


@contextmanager
def live_process(folder):
    rng = np.random.default_rng(0)
    y = rng.normal(size=160)
    X = pd.DataFrame({k: y + scale * rng.normal(size=160) for k, scale in enumerate((0.3, 2.0))})
    ensemble = RegimeAwareEnsembleRegressor([("a", Says(0)), ("b", Says(1))], combiner="dynamic", random_state=0)
    ensemble.fit(X[:100], y[:100])
    with LiveEnsemble(ensemble, folder / "live.db", synchronous="normal") as live:
        times = pd.date_range("2024-01-01", periods=60, freq="h")
        live.predict(X[100:], id=[f"{row}" for row in range(100, 160)], at=list(times))
        live.feedback([f"{row}" for row in range(100, 150)], y=y[100:150])
        yield live


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    with live_process(folder) as live:
        made = {"numbers": regressor_walk(), "classes": classifier_walk(), "live": live}
        return {kind: review(given, folder / f"{kind}.html") for kind, given in made.items()}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def opened(browser, path, width=1400, *, media="screen", scheme="light"):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    browser.get(path.as_uri())
    return browser


def too_wide(browser):
    """What reaches beyond the window, and is not inside something that scrolls by itself."""
    return browser.execute_script(
        """
        const wide = [...document.querySelectorAll('main *')].filter(each => !each.closest('.wide')
            && each.getBoundingClientRect().right > window.innerWidth + 1);
        const beyond = document.documentElement.scrollWidth - window.innerWidth;
        return [beyond, wide.map(each => each.outerHTML.slice(0, 80))];
        """
    )


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_wider_than_the_window(browser, pages, kind, width):
    beyond, wide = too_wide(opened(browser, pages[kind], width))
    assert beyond <= 0
    assert wide == []


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_quiet_and_asks_nobody(browser, pages, kind):
    browser.get_log("performance")
    browser.get_log("browser")
    opened(browser, pages[kind])
    assert browser.get_log("browser") == []
    messages = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    assert pages[kind].as_uri() in asked
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    assert [url for url in asked if url.startswith("file:")] == [pages[kind].as_uri()]
    sizes = browser.execute_script("return [...document.images].map(each => each.naturalWidth)")
    assert len(sizes) == 5
    assert min(sizes) > 300


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_keyboard_reaches_everything_in_order(browser, pages, kind, width):
    from selenium.webdriver.common.keys import Keys

    opened(browser, pages[kind], width)
    n_stops = browser.execute_script(
        """
        const stops = [...document.querySelectorAll('a[href], summary, button, input, [tabindex="0"]')];
        stops.forEach((each, place) => each.dataset.place = place);
        return stops.length;
        """
    )
    assert n_stops > 6
    reached = []
    for _ in range(n_stops):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        place, visible = browser.execute_script(
            """
            const box = document.activeElement.getBoundingClientRect();
            const visible = box.bottom > 0 && box.top < window.innerHeight && box.left >= 0;
            return [document.activeElement.dataset.place, visible];
            """
        )
        assert visible
        reached.append(int(place))
    assert reached == list(range(n_stops))


def test_what_is_wider_than_a_phone_scrolls_by_the_arrow_keys(browser, pages):
    from selenium.webdriver import ActionChains, Keys

    opened(browser, pages["numbers"], 400)
    wide = browser.find_element("css selector", ".wide")
    assert browser.execute_script("return arguments[0].scrollWidth > arguments[0].clientWidth", wide)
    browser.execute_script("arguments[0].focus()", wide)
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT * 3).perform()
    # It scrolls smoothly.
    script = """
        const [wide, done] = arguments;
        const look = left => wide.scrollLeft || !left ? done(wide.scrollLeft) : setTimeout(() => look(left - 1), 50);
        look(100);
        """
    assert browser.execute_async_script(script, wide) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_it_can_be_printed(browser, pages, kind):
    opened(browser, pages[kind], 680, media="print")
    cut = browser.execute_script(
        """
        const parts = [...document.querySelectorAll('table, img')];
        return parts.filter(each => each.getBoundingClientRect().right > window.innerWidth + 1)
            .map(each => each.outerHTML.slice(0, 80));
        """
    )
    assert cut == []
    opened(browser, pages[kind], media="")
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True})
    document = base64.b64decode(printed["data"])
    assert document.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", document)) <= 12


def test_it_is_dark_in_the_dark_and_light_on_paper(browser, pages):
    brightness = {}
    for media, scheme in (("screen", "light"), ("screen", "dark"), ("print", "dark")):
        opened(browser, pages["numbers"], media=media, scheme=scheme)
        script = "return getComputedStyle(document.body).backgroundColor"
        brightness[media, scheme] = sum(map(int, re.findall(r"\d+", browser.execute_script(script))[:3])) / 3
    assert brightness["screen", "dark"] < 50
    assert min(brightness["screen", "light"], brightness["print", "dark"]) > 200

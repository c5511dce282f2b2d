"""Tests a report in a real browser.

The page is not blank, logs no complaint, requests nothing from anybody, and can be read in light and dark.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import BINARY, Browser, browser
from report_facts import Scene, nothing

from cio_spark.report.page import render_page

pytestmark = pytest.mark.skipif(
    BINARY is None, reason="there is no Chromium: tools/ensure-chromium, or Debian: apt-get install chromium"
)
# This script computes the contrast of every text to its background, as WCAG 2 does
CONTRASTS = """
(() => {
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const parts = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const found = parts(getComputedStyle(node).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
    if (!own || ['title', 'desc', 'style', 'defs'].includes(node.tagName) || !node.getClientRects().length) continue;
    const style = getComputedStyle(node);
    const a = light(parts(node.namespaceURI.endsWith('svg') ? style.fill : style.color)), b = light(behind(node));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push([node.tagName, node.textContent.trim().slice(0, 40), ratio.toFixed(2)]);
  }
  return low;
})()
"""
SCENES: dict[str, Any] = {
    "nothing": nothing,
    "all failed": lambda: Scene(failed=1000).facts(),
    "a long run": lambda: Scene(batches=1471, seconds=38.0, failed=120).facts(),
}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("scene", SCENES)
def test_a_report_opens_and_asks_nobody(chromium: Browser, scene: str, scheme: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render_page(SCENES[scene]()), encoding="utf-8")
    chromium.session = ""
    chromium.open(file, scheme=scheme)
    seen = chromium.screenshot()
    assert chromium.complaints() == []
    # The empty icon is a data address; every other request is for the page itself
    assert {url for url in chromium.requests() if not url.startswith("data:")} == {file.resolve().as_uri()}
    darkest, lightest = zip(*seen.getextrema(), strict=True)
    assert max(darkest) < 80, "no dark point: blank"
    assert min(lightest) > 180, "no light point: blank"
    corner = seen.getpixel((2, 2))
    assert isinstance(corner, tuple)
    assert (corner[0] < 80) == (scheme == "dark")
    assert chromium.evaluate("document.body.innerText").startswith("orders\n")
    assert chromium.evaluate(CONTRASTS) == []
    assert chromium.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page itself scrolls"


def test_the_policy_stops_what_should_never_be_in_a_page(chromium: Browser, tmp_path: Path) -> None:
    """Check that the test above can fail.

    A script and an image that are smuggled in are noticed, and stopped.
    """
    file = tmp_path / "smuggled.html"
    smuggled = "<img src=http://127.0.0.1:9/x.png><script>document.title = 'run'</script></body>"
    file.write_text(render_page(nothing()).replace("</body>", smuggled), encoding="utf-8")
    chromium.session = ""
    chromium.open(file, scheme="light")
    assert len(chromium.complaints()) >= 2
    assert chromium.evaluate("document.title") != "run"

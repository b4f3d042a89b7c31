"""The report as a browser shows it: a headless Chromium opens it, clicks, types and looks."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from lambdas.contracts import Settings
from lambdas.publish import report
from lambdas.publish.keys import Keys
from lambdas.publish.manifest import Manifest
from tests.publish import drawn_film
from tests.publish.browser import INSTALL, Tab, browsing, chromium

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = ROOT / "out" / "page"
"""Screenshots, to be looked at."""
WIDTHS = {360: 780, 768: 1024, 1440: 900, 2560: 1440}
CLIP_S = 12

pytestmark = pytest.mark.skipif(chromium() is None, reason=INSTALL)

NODES = """(() => { const walker = document.createTreeWalker(document, NodeFilter.SHOW_ALL); let count = 1;
while (walker.nextNode()) count += 1; return count; })()"""
CLIPPED = """[...document.querySelectorAll('body *')].filter((one) => {
  if (!one.textContent.trim() || one.closest('noscript, script, option, video') || !one.offsetParent) return false;
  const style = getComputedStyle(one);
  if (one.matches('.strip, .ten, .said')) return false;
  return style.overflowX !== 'visible' && one.scrollWidth > one.clientWidth + 1
    || style.overflowY !== 'visible' && one.scrollHeight > one.clientHeight + 1;
}).map((one) => one.outerHTML.slice(0, 120))"""
OUTSIDE = """[...document.querySelectorAll('body *')].filter((one) => {
  if (one.closest('.strip, .ten, noscript, #file, .ask') || !one.offsetParent) return false;
  const box = one.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 1 || box.left < -1);
}).map((one) => one.outerHTML.slice(0, 120))"""
CUT_FIELDS = """[...document.querySelectorAll('.tools input')].filter((one) => { if (!one.offsetParent) return false;
  const pen = document.createElement('canvas').getContext('2d'); pen.font = getComputedStyle(one).font;
  const room = one.clientWidth - parseFloat(getComputedStyle(one).paddingLeft) * 2;
  return pen.measureText(one.placeholder).width > room + 1; }).map((one) => one.placeholder)"""
EMPTY_PICTURES = """[...document.querySelectorAll('img')].filter((one) => one.offsetParent && !one.closest('.reel')
  && one.complete && !one.naturalWidth).length"""


@pytest.fixture(scope="module")
def new_tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Tab]]:
    with browsing(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.fixture
def tab(new_tab: Callable[[], Tab]) -> Iterator[Tab]:
    made = new_tab()
    made.size(1440, 900)
    yield made
    made.close()


def write_report(folder: Path, manifest: Manifest, video: str = "") -> str:
    keys = Keys.of(Settings().keys, manifest.source.uri)
    page = report.render(manifest, keys, dict(drawn_film.pictures(manifest)), video)
    folder.mkdir(exist_ok=True)
    (folder / "report.html").write_text(page)
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a feature film: 60 people, 2 hours, 1,800 scenes, 200 never seen clearly."""
    return write_report(tmp_path_factory.mktemp("film"), drawn_film.film())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a short clip, and the clip itself beside it."""
    folder = tmp_path_factory.mktemp("clip")
    write_clip(folder / "clip.mp4")
    return write_report(folder / "clip", short(), "../clip.mp4")


def short() -> Manifest:
    return drawn_film.film(people=5, scenes=8, hours=CLIP_S / 3600, unclear=2)


def write_clip(path: Path) -> None:
    """Twelve seconds of drawn frames."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "30", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(CLIP_S * 10):
            frame = av.VideoFrame.from_ndarray(drawn_film.drawn_scene(number // 10, 320, 180), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def open_page(tab: Tab, url: str) -> None:
    tab.open("about:blank")
    tab.messages.clear()
    tab.requests.clear()
    tab.open(url)


def assert_silent(tab: Tab) -> None:
    assert tab.messages == []
    assert tab.requests == []


def visible_people(tab: Tab) -> list[str]:
    shown: list[str] = tab.value(
        "[...document.querySelectorAll('.tile:not([hidden]) > a')].map((one) => one.textContent)"
    )
    return shown


def test_a_feature_film_fits_in_five_megabytes_and_five_thousand_nodes_and_is_seen_within_a_second(
    tab: Tab, film: str
) -> None:
    assert Path(film.removeprefix("file://")).stat().st_size < 5_000_000
    paints = []
    for _ in range(3):
        open_page(tab, film)
        assert tab.value(NODES) < 5000
        paints.append(tab.value("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    assert min(paints) < 1000
    assert_silent(tab)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_clipped_or_left_out_at_any_width(tab: Tab, film: str, clip: str, width: int) -> None:
    for name, url in (("film", film), ("clip", clip)):
        for dark in (False, True):
            tab.size(width, WIDTHS[width], dark=dark)
            for part in ("", "#person-2"):
                open_page(tab, url + part)
                theme = "dark" if dark else "light"
                tab.picture(PICTURES / f"{name}{'_person' if part else ''}_{width}_{theme}.png")
                assert tab.value("document.documentElement.scrollWidth <= innerWidth")
                assert tab.value(CLIPPED) == []
                assert tab.value(OUTSIDE) == []
                assert tab.value(CUT_FIELDS) == []
                assert tab.value(EMPTY_PICTURES) == 0
                assert_silent(tab)


def test_on_a_phone_a_name_and_its_seconds_stand_over_their_own_bar(tab: Tab, clip: str) -> None:
    tab.size(360, WIDTHS[360])
    open_page(tab, clip)
    tops = tab.value("""[...document.querySelectorAll('.lanes > a')].map((name) => {
      const bar = name.nextElementSibling;
      return [name, bar, bar.nextElementSibling].map((one) => one.getBoundingClientRect().top); })""")
    assert len(tops) == 5
    for (name, bar, seconds), before in zip(tops, [0.0, *(bar for _, bar, _ in tops)], strict=False):
        assert before < min(name, seconds) <= max(name, seconds) < bar


def test_every_face_and_scene_has_its_picture(tab: Tab, film: str) -> None:
    open_page(tab, film)
    assert tab.value("document.querySelectorAll('.tile img').length") == 60
    assert tab.value("document.querySelectorAll('.ten img').length") == 10
    page = Path(film.removeprefix("file://")).read_text()
    assert len(re.findall(r'href="\./scenes/\d+\.jpg"><img src="data:', page)) == 1800


def test_people_are_found_by_name_and_number_and_the_count_is_told(tab: Tab, film: str) -> None:
    open_page(tab, film)
    tab.click("[name=query]")
    tab.write("chlo")
    assert visible_people(tab) == [f"Chloé {number}" for number in range(1, 13)]
    assert tab.value("document.querySelector('.tools output').textContent") == "12 of 60"
    for _ in "chlo":
        tab.press("Escape")
    assert len(visible_people(tab)) == 60
    tab.write("person 15")
    assert visible_people(tab) == ["Person 15"]
    tab.press("Escape")
    tab.write("nobody at all")
    assert visible_people(tab) == []
    assert tab.value("document.querySelector('#nobody').offsetParent !== null")
    assert_silent(tab)


def test_people_frames_and_scenes_are_filtered_by_time(tab: Tab, film: str) -> None:
    manifest = drawn_film.film()
    open_page(tab, film)
    tab.click("[name=when]")
    tab.write("1:00:00-1:02:30")
    expected = sum(any(track.start_s <= 3750 and track.end_s >= 3600 for track in person.tracks)
                   for person in manifest.people)  # fmt: skip
    assert len(visible_people(tab)) == pytest.approx(expected, abs=1)
    assert 0 < expected < 60
    scenes = sum(scene.start_s <= 3750 and scene.end_s >= 3600 for scene in manifest.scenes)
    shown = "[...document.querySelectorAll('.reel:not([hidden]) a:not([hidden])')].length"
    assert tab.value(shown) == pytest.approx(scenes, abs=1)
    tab.press("Escape")
    tab.write("twelve")
    assert tab.value("document.querySelector('[name=when]').getAttribute('aria-invalid')") == "true"
    assert len(visible_people(tab)) == 60
    assert_silent(tab)


def test_people_are_filtered_by_flag_and_ordered(tab: Tab, film: str) -> None:
    open_page(tab, film)
    choose = "(([name, value]) => { const one = document.querySelector(`[name=${name}]`); one.value = value; one.dispatchEvent(new Event('input')); })"  # noqa: E501
    tab.value(choose + "(['flag', 'side_face'])")
    assert len(visible_people(tab)) == 12
    tab.value(choose + "(['flag', 'unnamed'])")
    assert visible_people(tab)[:2] == ["Person 5", "Person 10"]
    tab.value(choose + "(['flag', ''])")
    tab.value(choose + "(['order', 'name'])")
    assert visible_people(tab)[:2] == ["Ada Lovelace 1", "Ada Lovelace 2"]
    first = min(drawn_film.film().people, key=lambda person: person.tracks[0].start_s)
    tab.value(choose + "(['order', 'first'])")
    assert visible_people(tab)[0] == report.label(first)


def test_a_person_is_opened_left_and_passed_on_by_keys_alone(tab: Tab, film: str) -> None:
    open_page(tab, film)
    tab.press("/")
    tab.until("document.activeElement.name === 'query'")
    tab.value("document.querySelector('.tile > a').focus()")
    tab.press("ArrowRight")
    tab.press("ArrowDown")
    tab.press("ArrowUp")
    assert tab.value("document.activeElement.textContent") == "Bartholomew Featherstonehaugh-Cholmondeley 1"
    tab.press("Enter")
    tab.until("location.hash === '#person-2' && document.querySelector('#whole').hidden")
    assert tab.value("document.activeElement.tagName + scrollY") == "H20"
    assert tab.value("document.querySelector('.why:not([hidden])').textContent").startswith("Sharp, eyes open")
    tab.press("ArrowRight")
    tab.until("document.activeElement.textContent === 'Ōe Kenzaburō 1'")
    tab.press("ArrowLeft")
    tab.until("document.activeElement.textContent.startsWith('Bartholomew')")
    tab.press("Escape")
    tab.until("!document.querySelector('#whole').hidden")
    assert tab.value("document.activeElement.closest('.tile').dataset.number") == "2"
    tab.value("history.back()")
    tab.until("document.querySelector('#whole').hidden")
    assert_silent(tab)


def test_any_time_plays_that_moment_beside_the_page(tab: Tab, clip: str) -> None:
    open_page(tab, clip)
    assert tab.requests == []
    manifest = short()
    tab.click(".tile:nth-child(2) .t")
    at = "document.querySelector('video').currentTime"
    tab.until(f"{at} > 0 && !document.querySelector('video').paused")
    best = manifest.people[1].best_frame.t_s
    assert tab.value(at) == pytest.approx(best, abs=1.5)
    assert tab.value("document.querySelector('#playing').textContent").startswith("Bartholomew")
    tab.picture(PICTURES / "clip_playing.png")
    scene = manifest.scenes[3]
    tab.click(".reel a:nth-child(4)")
    tab.until(f"Math.abs({at} - {scene.t_s}) < 1.5")
    tab.click("[href='#person-3']")
    tab.until("document.querySelector('.person .lane')")
    tab.click(".person:not([hidden]) .lane")
    tab.until(f"Math.abs({at} - {CLIP_S / 2}) < 1.5")
    tab.press("Escape")
    assert tab.value("document.querySelector('#player').hidden && document.querySelector('video').paused")
    assert tab.messages == []
    assert {request.rpartition("/")[2] for request in tab.requests} == {"clip.mp4"}


def test_a_page_that_knows_no_video_asks_for_the_file_and_plays_it(
    tab: Tab, film: str, clip: str, tmp_path: Path
) -> None:
    url = write_report(tmp_path / "alone", short())
    open_page(tab, url)
    tab.click(".tile .t")
    assert "stays on this machine" in tab.value("document.querySelector('.ask').innerText")
    assert not tab.value("document.querySelector('.ask').hidden")
    tab.picture(PICTURES / "clip_asks.png")
    node = tab.ask("Runtime.evaluate", expression="document.querySelector('#file')")["result"]["objectId"]
    video = Path(clip.removeprefix("file://")).parents[1] / "clip.mp4"
    tab.ask("DOM.setFileInputFiles", files=[str(video)], objectId=node)
    tab.until("document.querySelector('video').currentTime > 0")
    tab.click(".tile:nth-child(3) .t")
    best = short().people[2].best_frame.t_s
    tab.until(f"Math.abs(document.querySelector('video').currentTime - {best}) < 1.5")
    assert_silent(tab)


def test_a_video_that_moved_is_asked_for(tab: Tab, tmp_path: Path) -> None:
    url = write_report(tmp_path / "moved", short(), "../elsewhere.mp4")
    open_page(tab, url)
    tab.click(".tile .t")
    tab.until("!document.querySelector('.ask').hidden")
    assert "isn’t where" in tab.value("document.querySelector('.ask').innerText")


def test_a_signed_address_in_the_pages_own_address_is_played(tab: Tab, clip: str, tmp_path: Path) -> None:
    folder = Path(clip.removeprefix("file://")).parents[1]
    manifest = short()
    manifest = manifest.model_copy(update={"source": manifest.source.model_copy(update={"uri": "s3://films/clip.mp4"})})
    write_report(folder / "signed", manifest)
    with serving(folder) as address:
        open_page(tab, f"{address}/signed/report.html#video=/clip.mp4")
        tab.click(".tile .t")
        tab.until("document.querySelector('video').currentTime > 0")
        assert tab.messages == []


def test_time_codes_are_copied(tab: Tab, clip: str) -> None:
    open_page(tab, clip)
    tab.ask("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    tab.click("[href='#person-1']")
    tab.until("document.querySelector('.person [data-copy]')")
    tab.click(".person [data-copy]")
    tab.until("document.querySelector('#said').textContent.startsWith('Copied')")
    copied = tab.value("navigator.clipboard.readText()")
    assert re.fullmatch(r"00:00:\d\d\.\d{3}", copied)
    assert float(copied.removeprefix("00:00:")) == pytest.approx(short().people[0].best_frame.t_s, abs=0.002)


def test_all_stills_are_saved_as_they_are(tab: Tab, tmp_path: Path) -> None:
    manifest = short()
    write_report(tmp_path, manifest)
    (tmp_path / "people").mkdir()
    stills = {Path(person.best_frame.file).name: os.urandom(1000) for person in manifest.people}
    for name, data in stills.items():
        (tmp_path / "people" / name).write_bytes(data)
    saved = tmp_path / "saved"
    saved.mkdir()
    with serving(tmp_path) as address:
        open_page(tab, f"{address}/report.html")
        tab.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(saved))
        tab.click("#stills")
        tab.wait(lambda: {path.name for path in saved.iterdir()} == set(stills), "all stills are saved")
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == stills


def test_the_film_strip_is_built_as_it_is_looked_at(tab: Tab, film: str) -> None:
    open_page(tab, film)
    built = "document.querySelectorAll('.reel a').length"
    tab.value("document.querySelector('.strip').scrollIntoView()")
    before = tab.value(built)
    assert before <= 180
    tab.click(".jumps a:nth-child(7)")
    tab.until(f"{built} > {before}")
    in_view = "(() => { const box = document.querySelector('.strip').getBoundingClientRect(); return document.elementFromPoint(box.left + 70, box.top + 50).closest('a').textContent; })()"  # noqa: E501
    tab.until(f"{in_view}.startsWith('1:00') || {in_view}.startsWith('59:5')")
    tab.picture(PICTURES / "film_strip.png")
    assert_silent(tab)


def test_who_was_never_seen_clearly_is_folded_away_until_asked_for(tab: Tab, film: str) -> None:
    open_page(tab, film)
    assert tab.value("document.querySelectorAll('.unclear li').length") == 0
    tab.click(".unclear summary")
    tab.until("document.querySelectorAll('.unclear li').length === 200")
    assert tab.value(CLIPPED) == []
    tab.picture(PICTURES / "film_unclear.png")


def test_without_its_script_the_page_shows_everything(tab: Tab, clip: str) -> None:
    tab.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        open_page(tab, clip)
        tab.picture(PICTURES / "clip_no_script.png", whole=True)
    finally:
        tab.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert tab.value("document.querySelectorAll('.person').length") == 5
    assert tab.value("document.querySelectorAll('.reel a').length") == 8
    assert tab.value("document.querySelector('.tools').offsetParent") is None
    assert tab.value("document.querySelector('#person-2 .still img').naturalWidth") > 0
    assert tab.value("document.querySelector('.tile .t').getAttribute('href')") == "./people/person_000.jpg"
    assert_silent(tab)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious(tab: Tab, film: str, clip: str, dark: bool) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not here: make browser")
    tab.size(1440, 900, dark=dark)
    for url in (film, clip, film + "#person-2", clip + "#person-1"):
        open_page(tab, url)
        if url == clip:
            tab.click(".unclear summary")
            tab.click("#made summary")
            tab.click(".tile .t")
            tab.until("document.querySelector('video').readyState > 0")
        if "#" in url:
            tab.click(".person details:last-of-type summary")
        tab.value(AXE.read_text() + "; 0")
        run = "axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations.filter((one) => ['serious', 'critical'].includes(one.impact)).map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 150)).slice(0, 3)]))"  # noqa: E501
        assert tab.value(run) == [], url


def test_it_prints_as_a_casting_sheet_of_six_people_a_page(tab: Tab, film: str) -> None:
    open_page(tab, film)
    paper = tab.paper()
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / "film.pdf").write_bytes(paper)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == 60 // 6 + 1


def test_the_policy_lets_one_script_run_and_no_other(tab: Tab, clip: str) -> None:
    page = Path(clip.removeprefix("file://")).read_text()
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found is not None
    policy = found.group(1).replace("&#39;", "'")
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["style-src"].startswith("'sha256-")
    assert rules["media-src"] == "'self' blob: file:"
    assert not re.search(r'\son\w+="|\sstyle="|javascript:', page)
    assert "unsafe" not in policy
    open_page(tab, clip)
    tab.value("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))")
    assert tab.value("window.ran === undefined")
    assert any("Content Security Policy" in message for message in tab.messages)


@pytest.mark.parametrize(("uri", "video", "expected"), [
    ("clip.mp4", "", "'self' blob: file:"),
    ("clip.mp4", "https://films.example/clip.mp4?signature=x", "'self' blob: file: https://films.example"),
    ("s3://films/clip.mp4", "", "'self' blob: file: https:"),
])  # fmt: skip
def test_the_network_may_be_asked_for_the_video_only_where_the_video_comes_from_there(
    uri: str, video: str, expected: str
) -> None:
    assert f"media-src {expected};" in report.policy("", "", uri, video)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


class serving:  # noqa: N801 - reads like the context manager it is
    """A folder served on loopback; gives its address."""

    def __init__(self, folder: Path) -> None:
        handler = functools.partial(_Quiet, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_what_axe_is_asked_is_pinned() -> None:
    pinned = json.loads((ROOT / "package.json").read_text())["devDependencies"]["axe-core"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", pinned)

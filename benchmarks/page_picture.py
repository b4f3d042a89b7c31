"""The README's moving picture, of drawn faces: `python -m benchmarks.page_picture`, after `make browser`."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from lambdas.contracts import Settings
from lambdas.publish import report
from lambdas.publish.keys import Keys
from tests.publish import drawn_film
from tests.publish.browser import Tab, browsing
from tests.publish.test_page import write_clip

PICTURE = Path(__file__).parents[1] / "docs" / "report.webp"
WIDTH, HEIGHT, SHOWN_WIDTH = 1180, 720, 820


def main() -> None:
    """Writes the picture."""
    frames: list[tuple[Image.Image, int]] = []

    def keep(tab: Tab, lasts_ms: int) -> None:
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            tab.picture(Path(file.name))
            picture = Image.open(io.BytesIO(Path(file.name).read_bytes())).convert("RGB")
        frames.append((picture.resize((SHOWN_WIDTH, SHOWN_WIDTH * HEIGHT // WIDTH)), lasts_ms))

    with tempfile.TemporaryDirectory() as folder, browsing(Path(folder) / "browser") as new_tab:
        write_clip(Path(folder) / "film.mp4")
        manifest = drawn_film.film(people=12, scenes=40, hours=12 / 3600, unclear=4)
        source = manifest.source.model_copy(update={"uri": "film.mp4"})
        manifest = manifest.model_copy(update={"source": source, "notes": []})
        pictures = dict(drawn_film.pictures(manifest))
        page = Path(folder) / "report.html"
        page.write_text(report.render(manifest, Keys.of(Settings().keys, "film.mp4"), pictures, "film.mp4"))
        tab = new_tab()
        tab.size(WIDTH, HEIGHT)
        tab.open(page.as_uri())
        keep(tab, 1800)
        tab.click("[name=query]")
        for letter in "ada":
            tab.write(letter)
            keep(tab, 350)
        keep(tab, 900)
        tab.press("Escape")
        tab.value("document.activeElement.blur(); scrollTo(0, 0)")
        tab.click("[href='#person-3']")
        tab.until("document.querySelector('#whole').hidden")
        keep(tab, 2200)
        tab.click(".person:not([hidden]) .button.t")
        for _ in range(6):
            tab.until("document.querySelector('video').currentTime > 0")
            keep(tab, 500)
        tab.press("Escape")
        tab.press("Escape")
        tab.until("!document.querySelector('#whole').hidden")
        tab.value("document.querySelector('#ten').scrollIntoView()")
        keep(tab, 2000)
        tab.close()
    first, *others = [picture for picture, _ in frames]
    assert np.asarray(first).std() > 10, "nothing was drawn"
    first.save(PICTURE, save_all=True, append_images=others, duration=[lasts for _, lasts in frames], loop=0,
               quality=42, method=6, minimize_size=False)  # fmt: skip
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB, {len(frames)} frames")


if __name__ == "__main__":
    main()

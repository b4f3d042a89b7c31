"""A headless Chromium, asked through its DevTools protocol (a websocket on loopback)."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import websocket

START_S = 60.0
ANSWER_S = 60.0
INSTALL = "chromium is not here: make browser"


def chromium() -> str | None:
    """The browser's path; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class PageError(AssertionError):
    """The page threw, or the browser refused what it was asked."""


class Tab:
    """One page: what it is asked, and all it said and asked for by itself."""

    def __init__(self, url: str) -> None:
        # Without an origin: the browser refuses those of other pages.
        self._socket = websocket.create_connection(url, timeout=ANSWER_S, suppress_origin=True)
        self._number = 0
        self.messages: list[str] = []
        """Of the console and the log, exceptions included."""
        self.requests: list[str] = []
        """URLs, but for those inside the page (data:, blob:) and the page's own."""
        self.loaded = 0
        for domain in ("Page", "Runtime", "Log", "Network", "DOM", "Performance"):
            self.ask(f"{domain}.enable")

    def close(self) -> None:
        with contextlib.suppress(websocket.WebSocketException, OSError, PageError):
            self.ask("Page.close")
        self._socket.close()

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """What the browser answers; what happened meanwhile is kept."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                if "error" in message:
                    raise PageError(f"{method}: {message['error']['message']}")
                answer: dict[str, Any] = message["result"]
                return answer
            self._keep(message)

    def _keep(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.consoleAPICalled":
            self.messages.append(" ".join(str(part.get("value")) for part in params["args"]))
        elif method == "Runtime.exceptionThrown":
            self.messages.append(json.dumps(params["exceptionDetails"])[:500])
        elif method == "Log.entryAdded":
            self.messages.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            url, own = params["request"]["url"], params.get("documentURL", "")
            if not url.startswith(("data:", "blob:")) and url.split("#")[0] != own.split("#")[0]:
                self.requests.append(url)
        elif method == "Page.loadEventFired":
            self.loaded += 1

    def open(self, url: str) -> None:
        """Navigates and waits until the page is loaded."""
        before = self.loaded
        answer = self.ask("Page.navigate", url=url)
        if answer.get("errorText"):
            raise PageError(f"{url}: {answer['errorText']}")
        self.wait(lambda: self.loaded > before, url)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to; promises are awaited."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait(self, is_so: Callable[[], Any], what: str, limit_s: float = 20.0) -> None:
        """Passes when it is so; raises after `limit_s` seconds."""
        until = time.monotonic() + limit_s
        while not is_so():
            if time.monotonic() > until:
                raise PageError(f"not within {limit_s:g} s: {what}")
            self.ask("Runtime.evaluate", expression="0")
            time.sleep(0.05)

    def until(self, expression: str, limit_s: float = 20.0) -> None:
        # As a bool: an element would be sent with all that hangs on it.
        self.wait(lambda: self.value(f"Boolean({expression})"), expression, limit_s)

    def size(self, width: int, height: int, *, dark: bool = False, scale: float = 1) -> None:
        """The window's size, pixels, and the theme asked for."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.ask("Emulation.setEmulatedMedia", media="", features=[scheme, still])

    def click(self, selector: str) -> None:
        """A real click (a user's gesture) into the middle of the first such element."""
        quoted = json.dumps(selector)
        self.value(f"document.querySelector({quoted}).scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box = self.value(f"document.querySelector({quoted}).getBoundingClientRect().toJSON()")
        self.click_at(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def click_at(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """One key: a letter, or a name such as Enter."""
        codes = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        code = codes.get(key, ord(key.upper()[0]))
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def write(self, text: str) -> None:
        self.ask("Input.insertText", text=text)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """A screenshot as PNG; `whole` also what one must scroll to."""
        answer = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def paper(self) -> bytes:
        """The page printed on A4, as PDF."""
        answer = self.ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=True)
        return base64.b64decode(answer["data"])


@contextlib.contextmanager
def browsing(profile: Path) -> Iterator[Callable[[], Tab]]:
    """A browser that makes tabs; it ends with the block. `profile`: an empty folder of its own."""
    command = chromium()
    assert command is not None, INSTALL
    process = subprocess.Popen(
        [command, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--remote-debugging-port=0", f"--user-data-dir={profile}", "--disable-background-networking",
         "--disable-component-update", "--hide-scrollbars", "--mute-audio", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        told = profile / "DevToolsActivePort"
        until = time.monotonic() + START_S
        while not told.exists() or not told.read_text().strip():
            assert process.poll() is None, f"{command} ended with {process.returncode}"
            assert time.monotonic() < until, f"{command} did not start within {START_S:g} s"
            time.sleep(0.05)
        port = int(told.read_text().split()[0])

        def tab() -> Tab:
            asked = urllib.request.Request(f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT")
            with urllib.request.urlopen(asked, timeout=ANSWER_S) as answer:
                return Tab(json.load(answer)["webSocketDebuggerUrl"])

        yield tab
    finally:
        process.terminate()
        process.wait(30)

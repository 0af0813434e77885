"""A real browser for tests: Chromium without a window, driven by chromedriver over the WebDriver protocol.

Spoken here with the standard library: the usual package for it does not install on every Python that is tested.
"""
import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import typing as t

import pytest

from tests.live.node import free_port
from tests.waiting import FACTOR, wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's number in replies, by the protocol

needs_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER),
                                   reason="no chromium and chromedriver: Debian's packages chromium, chromium-driver")

# It may reach nothing but this host, and asks nobody at its start; as root it runs without its sandbox only.
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
             "--no-default-browser-check", "--disable-features=OptimizationHints,MediaRouter,Translate",
             "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--hide-scrollbars"]


class Browser:
    """One session with one window."""

    def __init__(self, port: int, session: str) -> None:
        self._port = port
        self._session = session

    def go(self, url: str) -> None:
        """Load a page, to its end."""
        self._ask("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: t.Any) -> t.Any:
        """Run a function's body in the page and return what it returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        """Return the text of the first element that a CSS selector finds, as it is shown."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def click(self, selector: str) -> None:
        """Click on an element."""
        self._ask("POST", "/element/%s/click" % self._element(selector), {})

    def press(self, key: str) -> None:
        """Press and release a key, whatever has the focus."""
        steps = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": steps}]})

    def tell(self, command: str, **parameters: t.Any) -> t.Any:
        """Give a command of Chromium's own protocol."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def look(self, width: int, dark: bool) -> None:
        """Take this width, in pixels, and this of the two palettes."""
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.tell("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def complaints(self) -> t.List[str]:
        """Return what the browser has written to its console since it was last asked: faults of scripts and rules."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def picture(self, path: str) -> None:
        """Write the whole page, also what does not fit, to a PNG file."""
        size = self.tell("Page.getLayoutMetrics")["cssContentSize"]
        shot = self.tell("Page.captureScreenshot", captureBeyondViewport=True,
                         clip=dict(x=0, y=0, width=size["width"], height=size["height"], scale=1))
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """End the session, and with it the browser."""
        self._ask("DELETE", "")

    def _element(self, selector: str) -> str:
        return str(self._ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT])

    def _ask(self, method: str, path: str, body: t.Optional[t.Mapping[str, t.Any]] = None) -> t.Any:
        return ask(self._port, method, "/session/%s%s" % (self._session, path), body)


def ask(port: int, method: str, path: str, body: t.Optional[t.Mapping[str, t.Any]] = None) -> t.Any:
    """Return the value that the driver answers; fail with what it says when it refuses."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60 * FACTOR)
    with contextlib.closing(client):
        client.request(method, path, None if body is None else json.dumps(body),
                       {"Content-Type": "application/json"})
        response = client.getresponse()
        value = json.loads(response.read().decode())["value"]
    assert response.status == 200, "%s %s: %s" % (method, path, value)
    return value


@contextlib.contextmanager
def browser(*arguments: str, **preferences: t.Any) -> t.Iterator[Browser]:
    """Give a browser with a profile of its own, which is gone afterwards."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        options = {"binary": CHROMIUM, "prefs": preferences,
                   "args": ARGUMENTS + list(arguments) + ["--user-data-dir=" + os.path.join(directory, "profile")]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        driver = subprocess.Popen([str(DRIVER), "--port=%d" % port], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                                  env=dict(os.environ, HOME=directory, TMPDIR=directory))
        try:
            wait_until(lambda: _is_ready(port), "chromedriver is ready")
            session = ask(port, "POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
            started = Browser(port, session)
            try:
                yield started
            finally:
                started.close()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(driver.pid, signal.SIGKILL)  # the browser too, should it not have ended
            driver.wait()


def _is_ready(port: int) -> bool:
    try:
        return bool(ask(port, "GET", "/status")["ready"])
    except OSError:
        return False

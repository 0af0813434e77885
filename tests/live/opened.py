"""The status page as a browser has loaded it, of a server whose status the test changes."""
import contextlib
import typing as t

from st.web import Views
from st.web.page import Seen
from tests.browser import Browser
from tests.web import measures, served, views

WIDE, NARROW = 1280, 360  # pixels
LOOK_NOW = "document.dispatchEvent(new Event('visibilitychange'))"  # what makes the page ask without waiting


class Shown:
    """A web server whose status the test changes while it runs."""

    def __init__(self, first: Seen) -> None:
        self.now = first

    def views(self) -> Views:
        """Return views of what is to be shown now."""
        return views(status=lambda: self.now.status, measures=lambda: measures(self.now.status),
                     switches=lambda: self.now.switches)


@contextlib.contextmanager
def opened(chromium: Browser, first: Seen, width: int = WIDE, dark: bool = False) -> t.Iterator[Shown]:
    """Give what a page shows that the browser has loaded."""
    shown = Shown(first)
    with served(shown.views()) as server:
        chromium.look(width, dark)
        chromium.go("http://%s/" % (server.address,))
        try:
            yield shown
        finally:
            chromium.go("about:blank")  # it would go on asking

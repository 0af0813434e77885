"""Pictures of the status page, to be looked at: python -m tests.live.page_pictures DIRECTORY.

Each state, light and dark, on a screen and on a phone. Those in docs/ are two of them, with fewer colours:
pngquant --strip --speed 1 96 --output docs/status-page-failing.png status-page-failing-wide-light.png
"""
import os
import sys

from st.web.page import page
from tests.browser import browser
from tests.page_states import DOWN, FAILING, HEALTHY, HOSTILE, LONG, MANY, ONE, SPLIT

PATHS = ("/startup", "/liveness", "/readiness", "/status", "/metrics")
STATES = {"healthy": HEALTHY, "failing": FAILING, "down": DOWN, "hostile": HOSTILE, "one": ONE, "split": SPLIT,
          "long": LONG, "many": MANY}
WIDTHS = {"wide": 1100, "narrow": 390}  # pixels


def main() -> None:
    """Write a PNG file for each."""
    directory = os.path.abspath(sys.argv[1])
    with browser() as chromium:
        for state, seen in STATES.items():
            path = os.path.join(directory, "page.html")
            with open(path, "w") as file:
                file.write(page(seen, PATHS))
            for name, width in WIDTHS.items():
                for dark in (False, True):
                    chromium.look(width, dark)
                    chromium.go("file://" + path)
                    shade = "dark" if dark else "light"
                    chromium.picture(os.path.join(directory, "status-page-%s-%s-%s.png" % (state, name, shade)))
            os.unlink(path)


if __name__ == "__main__":
    main()

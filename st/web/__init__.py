"""HTTP for probes, for Prometheus and for people: reads values, changes nothing."""
from st.web.answers import Views
from st.web.server import DESCRIPTORS, WebServer

__all__ = ["DESCRIPTORS", "Views", "WebServer"]

"""One process: builds everything, starts, changes and stops it in order. The only wiring."""
from st.app.app import App

__all__ = ["App"]

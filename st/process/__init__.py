"""The process that runs tunnels: limits, log, signals, reload, and what a person is told at the start."""
from st.process.start import run

__all__ = ["run"]

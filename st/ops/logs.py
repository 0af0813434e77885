"""Logging of the process: the only module that configures it, and never when the package is imported."""
import logging
import time
import typing as t

from st.event import Event
from st.ops.lines import Fold, Line, json_line, line_of, own_line, text_line
from st.ops.sink import Sink, open_sink

_LOGGER = "st"  # the root of our logger tree

_FORMATS = {"text": text_line, "json": json_line}


class Log:
    """The log of the process while it is configured; `close()` gives the loggers back as they were."""

    def __init__(self, handler: "_Handler", level: str) -> None:
        self._handler = handler
        self._logger = logging.getLogger(_LOGGER)
        self._before = (self._logger.level, self._logger.propagate)
        self._logger.setLevel(level.upper())
        self._logger.propagate = False  # a root logger set up by others would print every line twice
        self._logger.addHandler(handler)

    def flush(self) -> None:
        """Write the count of repeats that has not been written yet."""
        self._handler.flush()

    def reopen(self) -> None:
        """Open the log file anew, as for SIGHUP; when that fails, a line in the old one says so."""
        self._handler.reopen()

    def check_file(self, file: t.Optional[str]) -> None:
        """Raise LogFileError when the log could not be changed to `file`."""
        open_sink(file).close()

    def change(self, level: str, format: str, file: t.Optional[str]) -> None:
        """Go on with another level, format or file; raise LogFileError with nothing changed."""
        handler = _Handler(open_sink(file), _FORMATS[format])
        self._logger.addHandler(handler)
        self._logger.removeHandler(self._handler)
        self._handler.close()
        self._handler = handler
        self._logger.setLevel(level.upper())

    def close(self) -> None:
        """Write what is due and stop logging; a second call does nothing."""
        if self._handler not in self._logger.handlers:
            return
        self._logger.removeHandler(self._handler)
        level, self._logger.propagate = self._before
        self._logger.setLevel(level)
        self._handler.close()

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *exc_info: t.Any) -> None:
        self.close()


def configure(level: str, format: str, file: t.Optional[str]) -> Log:
    """Log from `level` on, as `format` text or json, to `file`: None is stderr, /dev/null is nowhere.

    Raises LogFileError when the file cannot be opened. Afterwards no log call raises: lines that cannot be written
    are counted, and the count is logged when there is room again.
    """
    return Log(_Handler(open_sink(file), _FORMATS[format]), level)


class _Handler(logging.Handler):
    """Writes folded lines; logging holds this handler's lock round emit(), which guards all attributes here."""

    def __init__(self, sink: Sink, to_text: t.Callable[[Line], str]) -> None:
        super().__init__()
        self._sink = sink
        self._to_text = to_text
        self._fold = Fold()
        self._lost = 0
        self._why_lost = ""

    def emit(self, record: logging.LogRecord) -> None:
        for line in self._fold.add(line_of(record)):
            self._write(line)

    def flush(self) -> None:
        self.acquire()
        try:
            for line in self._fold.due():
                self._write(line)
        finally:
            self.release()

    def reopen(self) -> None:
        self.acquire()
        try:
            self._sink.reopen()
        except OSError as error:
            self._write(own_line(time.time(), "WARNING", Event("log_not_reopened", why=error)))
        finally:
            self.release()

    def close(self) -> None:
        self.flush()
        self.acquire()
        try:
            self._sink.close()
        finally:
            self.release()
        super().close()

    def _write(self, line: Line) -> None:
        try:
            if self._lost:
                event = Event("lost", lines=self._lost, why=self._why_lost)
                self._sink.write(self._to_text(own_line(line.created, "WARNING", event)))
                self._lost = 0
            self._sink.write(self._to_text(line))
        except OSError as error:  # a full disk must not break what is logged about; told when there is room again
            self._lost += 1
            self._why_lost = str(error)

"""Logging of the process: the only module that configures it, and never when the package is imported."""
import contextlib
import logging
import time
import typing as t

from st.event import Event
from st.log.fold import Fold
from st.log.lines import Line, json_line, line_of, own_line, text_line
from st.log.sink import Sink, open_sink
from st.log.syslog import SyslogSink, syslog_json, syslog_text

_LOGGER = "st"  # the root of our logger tree

_FORMATS = {"text": text_line, "json": json_line}
_SYSLOG_FORMATS = {"text": syslog_text, "json": syslog_json}


class Log:
    """The log of the process while it is configured; `close()` gives the loggers back as they were."""

    def __init__(self, handlers: t.Sequence["_Handler"], level: str) -> None:
        self._handlers = tuple(handlers)
        self._logger = logging.getLogger(_LOGGER)
        self._before = (self._logger.level, self._logger.propagate)
        self._logger.setLevel(level.upper())
        self._logger.propagate = False  # a root logger set up by others would print every line twice
        for handler in self._handlers:
            self._logger.addHandler(handler)

    def flush(self) -> None:
        """Write the count of repeats that has not been written yet."""
        for handler in self._handlers:
            handler.flush()

    def reopen(self) -> None:
        """Open the log file anew, as for SIGHUP; when that fails, a line in the old one says so."""
        for handler in self._handlers:
            handler.reopen()

    @contextlib.contextmanager
    def changing(self, level: str, format: str, file: t.Optional[str],
                 syslog: t.Optional[str] = None) -> t.Iterator[None]:
        """Go on with another level, format, file or syslog, once what is done meanwhile has succeeded.

        It is opened before: raise LogFileError with nothing changed.
        """
        fresh = tuple(_handlers(format, file, syslog))
        try:
            yield
        except BaseException:
            for handler in fresh:
                handler.close()
            raise
        old, self._handlers = self._handlers, fresh
        for handler in self._handlers:
            self._logger.addHandler(handler)
        for handler in old:
            self._logger.removeHandler(handler)
            handler.close()
        self._logger.setLevel(level.upper())

    def close(self) -> None:
        """Write what is due and stop logging; a second call does nothing."""
        handlers, self._handlers = self._handlers, ()
        if not handlers:
            return
        level, self._logger.propagate = self._before
        self._logger.setLevel(level)
        for handler in handlers:
            self._logger.removeHandler(handler)
            handler.close()

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *exc_info: t.Any) -> None:
        self.close()


def configure(level: str, format: str, file: t.Optional[str], syslog: t.Optional[str] = None) -> Log:
    """Log from `level` on, as `format` text or json, to `file`: None is stderr, /dev/null is nowhere.

    With the socket of a `syslog`, to that too, and to stderr only if nobody listens there. Raises LogFileError when
    the file cannot be opened. Afterwards no log call raises: lines that cannot be written are counted, and the count
    is logged when there is room again.
    """
    return Log(_handlers(format, file, syslog), level)


def _handlers(format: str, file: t.Optional[str], syslog: t.Optional[str]) -> t.List["_Handler"]:
    written = _Handler(open_sink(file), _FORMATS[format])
    if syslog is None:
        return [written]
    sink = SyslogSink(syslog)
    sent = _Handler(sink, _SYSLOG_FORMATS[format])
    try:
        sink.connect()
    except OSError as error:  # it may start later, and is then found; until then a person may look here
        written.say("WARNING", Event("syslog_not_reached", socket=syslog, why=error.strerror or error,
                                     means="lines that do not reach it are counted: start the syslog daemon"))
        return [sent, written]
    if file is not None:
        return [sent, written]
    written.close()
    return [sent]


class _Handler(logging.Handler):
    """Writes folded lines; logging holds this handler's lock round emit(), which guards all attributes here."""

    def __init__(self, sink: t.Union[Sink, SyslogSink], to_text: t.Callable[[Line], str]) -> None:
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
            self.say("WARNING", Event("log_not_reopened", why=error))
        finally:
            self.release()

    def say(self, level: str, event: Event) -> None:
        """Write an event of the log itself."""
        self._write(own_line(time.time(), level, event))

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

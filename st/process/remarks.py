"""What the log is told of a configuration, and where it goes."""
import logging
import typing as t

from st.config import Loaded, Settings
from st.log.syslog import PATH
from st.ops.hook import missing_program

logger = logging.getLogger(__name__)


def syslog_of(settings: Settings) -> t.Optional[str]:
    """Return where to log to beside the log file, if anywhere."""
    return PATH if settings.syslog else None


def remark(loaded: Loaded) -> None:
    """Log what is to be told of a configuration."""
    for remark in (*loaded.warnings, *loaded.notes, missing_program(loaded.settings.on_failover)):
        if remark:
            logger.warning("%s", remark)

"""An error for a port that is taken names the process that holds it."""
import errno

from st.address import Address
from st.errors import ListenError
from st.host.holder import holder_of


def blame_holder(error: ListenError, address: Address) -> ListenError:
    """Return the error with the holder of `address` in it, if that is what is wrong and it is known."""
    holder = holder_of(address) if error.errno == errno.EADDRINUSE else None
    return error if holder is None else ListenError("%s: %s" % (error, holder), error.errno, error.address)

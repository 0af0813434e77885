"""The TLS contexts of one configuration: made before anything changes, since a file may be gone by now."""
import ssl
import typing as t

from st.config.values import Settings
from st.tls import client_context, server_context
from st.tunnel.shared import Legs


class Keys(t.NamedTuple):
    """How we speak TLS to the Sentinels, and on the two legs of each tunnel's connections; None: we do not."""

    sentinel: t.Optional[ssl.SSLContext]
    legs: t.Mapping[str, Legs]


def keys_of(settings: Settings) -> Keys:
    """Return the contexts, made anew from the files; raise ConfigError when one is of no use."""
    legs = {}
    for tunnel in settings.tunnels:
        terms, cert = tunnel.tls_terms, tunnel.listen_tls_cert
        legs[tunnel.name] = Legs(client_context(terms) if terms else None,
                                 server_context(cert, tunnel.listen_tls_key) if cert else None)
    terms = settings.sentinel_tls_terms
    return Keys(client_context(terms) if terms else None, legs)

"""The keys of a deployment that speaks TLS: files for its nodes, and what its clients know."""
import pathlib
import ssl
import typing as t

from tests.certificates import Authority, stored
from tests.live.node import NodeTls


class Keys(t.NamedTuple):
    """The files of one deployment, and what its clients know."""

    directory: pathlib.Path
    authority: Authority
    nodes: NodeTls


def made_keys(directory: pathlib.Path) -> Keys:
    """Return an authority, and one certificate for all nodes, the tunnel and their clients."""
    authority = Authority()
    ca = stored(directory, "ca.pem", authority.cert)
    pair = stored(directory, "pair.pem", *authority.issue())
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(pair)
    return Keys(directory, authority, NodeTls(ca, pair, context))

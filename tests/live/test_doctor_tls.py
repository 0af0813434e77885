"""The doctor and deployments that speak TLS."""
import pathlib
import ssl

from st.sentinel.answers import Credentials
from tests.certificates import Authority, stored
from tests.live.bed import Bed
from tests.live.doctoring import SANE_REDIS, SANE_SENTINEL, Look
from tests.live.node import NodeTls
from tests.live.servers import needs, needs_tls

NAME = "sessions"

pytestmark = needs(7, 0)


@needs_tls()
def test_tls(tmp_path: pathlib.Path) -> None:
    """D01, D07: Sentinels that speak TLS, nodes that do, and none where we demand it; all well with the right words."""
    authority = Authority()
    ca, pair = stored(tmp_path, "ca.pem", authority.cert), stored(tmp_path, "pair.pem", *authority.issue())
    context = _trusting(ca)
    with Bed(replicas=1, sentinels=1, tls=NodeTls(ca, pair, context), redis_options=SANE_REDIS,
             sentinel_options=SANE_SENTINEL) as bed:
        look, secure = Look(bed), Credentials(tls=context)
        look.one("D01", "speaks TLS")
        node_words = {each.title for each in look.examined(credentials=secure).findings if each.id == "D07"}
        assert node_words == {"%s speaks TLS" % (node.address,) for node in bed.nodes(NAME)}
        assert look.ids(credentials=secure, of_nodes=lambda name: secure) == ["D03"]
        strange = Credentials(tls=_trusting(stored(tmp_path, "other.pem", Authority().cert)))
        titles = {each.title for each in look.examined(credentials=secure, of_nodes=lambda name: strange).findings}
        assert titles >= {"with %s no TLS comes about" % (node.address,) for node in bed.nodes(NAME)}
        finding = look.one("D01", "no TLS comes about", credentials=strange)
        assert "TLS: its certificate is " in finding.seen


def _trusting(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)

"""Whether the files of TLS can be used: told with the rest of the configuration, not when the first client comes."""
import typing as t

from st.config.findings import Findings
from st.config.values import Settings, TunnelSettings
from st.errors import ConfigError
from st.tls import client_context, fingerprint, server_context


def check_certificates(settings: Settings, findings: Findings) -> str:
    """Return the fingerprint of all files of TLS; those that are of no use are problems."""
    if settings.sentinel_tls_terms is not None:
        _try("sentinel_tls", client_context, findings, settings.sentinel_tls_terms)
    elif settings.sentinel_tls_ca or settings.sentinel_tls_cert:
        findings.warning("sentinel_tls", "is no, so that sentinel_tls_ca and sentinel_tls_cert are not used")
    _check_key("sentinel_tls", "sentinel_tls", settings.sentinel_tls_cert, settings.sentinel_tls_key, findings)
    files = [settings.sentinel_tls_ca, settings.sentinel_tls_cert, settings.sentinel_tls_key]
    for tunnel in settings.tunnels:
        _check_tunnel(tunnel, findings)
        files += [tunnel.tls_ca, tunnel.tls_cert, tunnel.tls_key, tunnel.listen_tls_cert, tunnel.listen_tls_key]
    return fingerprint(files) if any(files) else ""


def _check_tunnel(tunnel: TunnelSettings, findings: Findings) -> None:
    where = "tunnel %s" % tunnel.name
    if tunnel.tls_terms is not None:
        _try("%s: tls" % where, client_context, findings, tunnel.tls_terms)
    if tunnel.listen_tls_cert is not None:
        _try("%s: listen_tls_cert" % where, server_context, findings, tunnel.listen_tls_cert, tunnel.listen_tls_key)
        if tunnel.tls == "passthrough":
            findings.problem(where, "tls = passthrough and listen_tls_cert exclude each other: the client's TLS ends "
                                    "either at Redis or here")
    _check_key(where, "tls", tunnel.tls_cert, tunnel.tls_key, findings)
    _check_key(where, "listen_tls", tunnel.listen_tls_cert, tunnel.listen_tls_key, findings)


def _check_key(where: str, prefix: str, cert: t.Optional[str], key: t.Optional[str], findings: Findings) -> None:
    if key is not None and cert is None:
        findings.problem(where, "%s_key needs %s_cert, the certificate that it belongs to" % (prefix, prefix))


def _try(where: str, make: t.Callable[..., t.Any], findings: Findings, *words: t.Any) -> None:
    try:
        make(*words)
    except ConfigError as error:
        findings.problem(where, str(error), error.__cause__ if isinstance(error.__cause__, OSError) else None)

"""Whether a tunnel may log in for its clients: whoever reaches it is that user of Redis then."""
from st.address import is_path, parse_ip
from st.config.findings import Findings
from st.config.values import TunnelSettings


def check_login(tunnel: TunnelSettings, where: str, findings: Findings) -> None:
    """Report what makes `login = yes` useless, impossible, or an open door."""
    name = "tunnel %r: login = yes" % tunnel.name
    if tunnel.redis_password is None:
        findings.problem(where, "%s needs redis_password_file, redis_password_env or redis_password" % name)
    if tunnel.tls == "passthrough":
        findings.problem(where, "%s and tls = passthrough exclude each other: nobody can speak within the client's TLS "
                                "but the client" % name)
    afar = [place for place in tunnel.listen or () if not _is_local(place)]
    if afar and not tunnel.allow:
        findings.problem(where, "%s lets every host that reaches %s use Redis without a password: name those that may "
                                "with allow = NETWORKS, or listen on 127.0.0.1" % (name, ", ".join(afar)))


def _is_local(place: str) -> bool:
    """Tell whether only this host can connect; what a name means is not looked up."""
    try:
        return is_path(place) or place.lower() == "localhost" or parse_ip(place).is_loopback
    except ValueError:
        return False

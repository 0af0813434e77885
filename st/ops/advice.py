"""What to do next about what is wrong, by the words in which it is told: for a tired operator."""
import re

_STEPS = (
    (r"failover in progress", "wait some seconds; if it lasts, look at `sentinel-tunnel masters`"),
    (r"monitors? this name", "compare its name with those that `sentinel-tunnel masters` lists"),
    (r"min_sentinels", "bring more Sentinels up, or lower min_sentinels"),
    (r"sentinel_outage", "bring a Sentinel up: sentinel_outage is refuse until then"),
    (r"NOAUTH|WRONGPASS|NOPERM|DENIED|refuses us|[Pp]assword",
     "check user and password: sentinel_password_file, redis_password_file"),
    (r"name lookup failed", "check the name, and the DNS of this host"),
    (r"would lead to itself", "the Sentinels name the tunnel's own address: listen on another"),
    (r"says that it is", "wait for the failover; if it lasts, somebody changed the role by hand"),
    (r"is no Sentinel|RESP|is not Redis", "check the port: Sentinels mostly listen on 26379"),
    (r"refused|nobody listens|closed the connection|reset", "see that it runs there, and check address and port"),
    (r"in time|timed out|silent|no reply|no route|unreachable", "check the network and the firewall from this host"),
)


def next_step(reason: str) -> str:
    """Return what to do about an error or a reason; "" when the words tell nothing."""
    return next((step for words, step in _STEPS if re.search(words, reason, re.IGNORECASE)), "")

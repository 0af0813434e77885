#!/usr/bin/env python3
"""A small operations toolbox: its own main, its own log, and a tunnel inside.

    toolbox.py --sentinel 10.0.0.11 --sentinel 10.0.0.12 sessions where
    toolbox.py --sentinel 10.0.0.11 sessions count
    toolbox.py --sentinel 10.0.0.11 sessions watch --seconds 60

It needs sentinel-tunnel and redis-py. Whoever connects to the Redis of the tunnel is connected to the master, also
after a failover: this file knows nothing of Sentinels.
"""
import argparse
import logging
import os
import sys
import time

import redis

from st import SentinelTunnel, SentinelTunnelError, Switch

log = logging.getLogger("toolbox")


def where(tunnel: SentinelTunnel, options: argparse.Namespace) -> None:
    """Print where the master is, and what the tunnel thinks of it."""
    status = tunnel.status()
    entry = status["tunnels"][0]
    print("%s: %s, master %s, reached through %s" % (entry["name"], entry["state"], entry["master"], tunnel.url))
    for sentinel in status["sentinels"]:
        print("  sentinel %s: %s" % (sentinel["address"], sentinel["error"] or "ok"))


def count(tunnel: SentinelTunnel, options: argparse.Namespace) -> None:
    """Count the keys, and try again when a failover comes in between."""
    client = redis.Redis(host=tunnel.host, port=tunnel.port)
    for attempt in (1, 2, 3):
        try:
            print(client.dbsize())
            return
        except redis.ConnectionError as error:
            log.warning("try %d: %s", attempt, error)
    raise SystemExit("toolbox: no answer in three tries")


def watch(tunnel: SentinelTunnel, options: argparse.Namespace) -> None:
    """Print each switch, for as long as is asked."""

    @tunnel.on_switch
    def tell(switch: Switch) -> None:
        print("%s -> %s after %.1f s without a master" % (switch.old, switch.new, switch.gap), flush=True)

    print("watching %s" % tunnel.name, flush=True)
    time.sleep(options.seconds)


def read_options() -> argparse.Namespace:
    """Return what the user said."""
    parser = argparse.ArgumentParser(description="operations on a Redis that Sentinel manages")
    parser.add_argument("--sentinel", action="append", required=True, metavar="HOST[:PORT]")
    parser.add_argument("--wait", type=float, default=10, metavar="SECONDS", help="how long to wait for a master")
    parser.add_argument("name", help="the name under which the Sentinels know the master")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.required = True
    actions.add_parser("where", help=where.__doc__).set_defaults(act=where)
    actions.add_parser("count", help=count.__doc__).set_defaults(act=count)
    watching = actions.add_parser("watch", help=watch.__doc__)
    watching.add_argument("--seconds", type=float, default=60)
    watching.set_defaults(act=watch)
    return parser.parse_args()


def main() -> int:
    """Do what the user asked for."""
    options = read_options()
    logging.basicConfig(level=logging.INFO, format="toolbox: %(levelname)s %(message)s")
    logging.getLogger("st").setLevel(logging.WARNING)  # of the tunnel only what somebody should look at
    # In a function, so that a password file or a vault is asked each time somebody logs in.
    password = (lambda: os.environ["TOOLBOX_PASSWORD"]) if "TOOLBOX_PASSWORD" in os.environ else None
    try:
        with SentinelTunnel(options.sentinel, options.name, redis_password=password, login=bool(password)) as tunnel:
            tunnel.wait_ready(options.wait)
            options.act(tunnel, options)
    except SentinelTunnelError as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Programs that embed tunnels, for tests: each a process of its own, since what it does would be felt in this one."""
import os
import subprocess
import sys
import textwrap
import typing as t

from st.testing.deployment import Deployment
from tests.programs import ROOT
from tests.waiting import FACTOR

AnyDeployment = Deployment[t.Any, t.Any]

HEAD = """
import logging, os, signal, socket, sys, threading, time
import st

logging.getLogger("st").setLevel("ERROR")  # on a slow machine there are warnings
NAME, SEEDS = sys.argv[1], sys.argv[2:]

def ping(port):
    with socket.create_connection(("127.0.0.1", port), timeout=%g) as client:
        client.sendall(b"PING\\r\\n")
        return client.recv(100)

def until(condition):
    end = time.monotonic() + %g
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.003)

"""


def run_embedder(deployment: AnyDeployment, source: str, *options: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a program, which finds `NAME`, `SEEDS`, `ping` and `until`, to its end."""
    program = HEAD % (20 * FACTOR, 20 * FACTOR) + textwrap.dedent(source)
    seeds = ["%s:%d" % seed for seed in deployment.seeds]
    return subprocess.run([sys.executable, *options, "-c", program, deployment.name, *seeds], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=150 * FACTOR,
                          env=dict(os.environ, PYTHONPATH=ROOT))


def said_by(deployment: AnyDeployment, source: str, *options: str) -> t.List[str]:
    """Run a program that must exit 0 and write nothing to standard error; return the lines that it prints."""
    done = run_embedder(deployment, source, "-W", "ignore::DeprecationWarning", *options)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode() + done.stdout.decode()
    return done.stdout.decode().splitlines()

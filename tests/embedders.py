"""Programs that embed tunnels, for tests: each a process of its own, since what it does would be felt in this one."""
import os
import signal
import subprocess
import sys
import textwrap
import typing as t

from st.testing.deployment import Deployment
from tests.programs import ROOT
from tests.waiting import FACTOR

AnyDeployment = Deployment[t.Any, t.Any]

HEAD = """
import faulthandler, logging, os, signal, socket, sys, threading, time
import st

logging.getLogger("st").setLevel("ERROR")  # on a slow machine there are warnings
faulthandler.register(signal.SIGUSR1)  # whoever stands still is asked where
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
    command = [sys.executable, *options, "-c", program, deployment.name]
    command += ["%s:%d" % seed for seed in deployment.seeds]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, PYTHONPATH=ROOT), start_new_session=True) as process:
        try:
            out, errors = process.communicate(timeout=75 * FACTOR)
        except subprocess.TimeoutExpired:
            out, errors = _stacks(process)
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


def _stacks(process: "subprocess.Popen[bytes]") -> t.Tuple[bytes, bytes]:
    """End a program that stands still, and the children that it has forked; return what they say, their stacks too."""
    os.killpg(process.pid, signal.SIGUSR1)
    try:
        return process.communicate(timeout=5 * FACTOR)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()


def said_by(deployment: AnyDeployment, source: str, *options: str) -> t.List[str]:
    """Run a program that must exit 0 and write nothing to standard error; return the lines that it prints."""
    done = run_embedder(deployment, source, "-W", "ignore::DeprecationWarning", *options)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode() + done.stdout.decode()
    return done.stdout.decode().splitlines()

"""What can go wrong with one data host, and what goes wrong next: the dice of tests.live.chaos."""
import random
import typing as t

from tests.live.netbed import DATA, NAME, NetBed
from tests.live.node import Node


class Plan(t.NamedTuple):
    """One time of trouble. Whoever is master then, the same seed makes the same plans."""

    victim: int  # of the data hosts with the master's first
    kinds: t.Tuple[str, ...]  # one or two troubles of the same host, one after the other
    seconds: float  # that each lasts before the next, and the last before all ends
    delay: float  # seconds, where packets are slow
    loss: float  # the part of packets that is lost then
    pause: float  # seconds without trouble afterwards, when all is well again


def plans(seed: int) -> t.Iterator[Plan]:
    """Return plans without end."""
    dice = random.Random(seed)
    while True:
        victim = dice.choice((0, 0, 0, 1, 2))
        kinds = tuple(dice.sample(sorted(TROUBLES), dice.choice((1, 1, 2))))
        seconds = dice.choice((dice.uniform(0.1, 2), dice.uniform(2, 6)))
        yield Plan(victim, kinds, seconds, dice.uniform(0.02, 0.4), dice.uniform(0, 0.2), dice.uniform(0.2, 2))


class Victim:
    """One data host with its processes, and what goes wrong with it."""

    def __init__(self, net: NetBed, plan: Plan) -> None:
        master = net.master(NAME)
        self.redis = sorted(net.nodes(NAME), key=lambda node: node is not master)[plan.victim]
        self.name = net.place(self.redis)
        self.sentinel: Node = net.sentinels[DATA.index(self.name)]
        self.hosts = net.hosts
        self.plan = plan
        self.data = [name for name in DATA if name != self.name]
        self.applications = [name for name in net.hosts.others(self.name) if name not in DATA]

    def suffer(self, kind: str) -> None:
        """Let a trouble of this kind begin."""
        TROUBLES[kind](self)

    def cut_port(self, port: int) -> None:
        """Let the applications reach one process of the host, and not the other."""
        self.hosts.cut([self.name], self.applications, port)

    def slow_down(self) -> None:
        """Let packets from and to the host come late, and some of them not at all."""
        self.hosts.slow(self.name, self.plan.delay, self.plan.delay, self.plan.loss)


# NetBed.heal ends them all.
TROUBLES: t.Dict[str, t.Callable[[Victim], None]] = {
    "kill Redis": lambda victim: victim.redis.kill(),
    "freeze Redis": lambda victim: victim.redis.stop(),
    "restart Redis": lambda victim: victim.redis.restart(),
    "kill Sentinel": lambda victim: victim.sentinel.kill(),
    "freeze Sentinel": lambda victim: victim.sentinel.stop(),
    "restart Sentinel": lambda victim: victim.sentinel.restart(),
    "isolate": lambda victim: victim.hosts.isolate(victim.name),
    "cut from data hosts": lambda victim: victim.hosts.cut([victim.name], victim.data),
    "cut from the tunnel": lambda victim: victim.hosts.cut([victim.name], victim.applications),
    "Redis cut from the tunnel": lambda victim: victim.cut_port(victim.redis.port),
    "Sentinel cut from the tunnel": lambda victim: victim.cut_port(victim.sentinel.port),
    "packets from it lost": lambda victim: victim.hosts.cut_one_way([victim.name], victim.data + victim.applications),
    "packets to it lost": lambda victim: victim.hosts.cut_one_way(victim.data + victim.applications, [victim.name]),
    "slow": Victim.slow_down,
}

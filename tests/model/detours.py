"""A fixed story, and everything that differs from it in one place, or in two.

The story is orderly: every message arrives, in the order of sending. A group of three writes, loses a disk, binds the new one,
writes, replaces a member by another machine, writes. A detour is one thing that happens just before one of its messages arrives:

    drop        the message is lost
    late        it arrives after all that is under way
    restart     its receiver stops and starts
    wipe        its receiver loses its disk, if the configurations can bear that
    campaign    its receiver stands for election
    fork        everybody who follows has lost what it had not written down: all stop and start

In the end everything goes well again, and the group must live on: so the runs with one detour are an exhaustive exploration of all that
is one accident away from a good day.
"""

from members import Violation
from world import World

DETOURS = ("drop", "late", "restart", "wipe", "campaign", "fork")


class Told(World):
    """A world that follows the story, but for the detours: {number of the message: detour}."""

    def __init__(self, detours, without=()):
        self.detours = detours
        self.arrived = 0
        self.telling = False
        super().__init__(1, without, members=3, spares=1)

    def leader(self):
        leaders = [r for r in self.replicas.values() if r.role == "leader" and r.ruling is r.config]
        return max(leaders, key=lambda r: r.ballot, default=None)

    def deliver(self, message):
        if not self.telling:
            super().deliver(message)
            return
        detour = self.detours.get(self.arrived)
        self.arrived += 1
        replica = self.replicas[message[1][0]]
        if detour == "drop":
            return
        if detour == "late":
            self.network.append(message)
            return
        if detour == "restart" and replica.up:
            replica.stop()
            self.meet(replica, [p for p in self.replicas.values() if p is not replica and p.up])
        if detour == "wipe":
            self.wipe(replica)
        if detour == "campaign":
            replica.campaign()
        if detour == "fork":
            for each in self.replicas.values():
                each.stop()
            for each in self.replicas.values():
                self.meet(each, [p for p in self.replicas.values() if p is not each and p.up])
        super().deliver(message)

    def beat(self):
        """Who leads goes on, or somebody else does, and whoever lags catches up."""
        for replica in self.replicas.values():
            if replica.up:
                replica.move()
        self.deliver_all()
        for number in (1, 2, 3, 4):
            if self.leader() is None:
                self.replicas[number].campaign()
                self.deliver_all()
        if self.leader():
            for slot in self.leader().proposals:
                if slot > self.leader().chosen:
                    self.leader().offer(slot)
            self.deliver_all()
        self.catch_up()

    def change(self, members):
        if self.leader() and self.leader().may_propose():
            self.leader().reconfigure({number: self.replicas[number].disk.life for number in members})
        self.deliver_all()
        self.beat()

    def write(self):
        if self.leader() and self.leader().may_propose():
            self.leader().propose(("write", self.draw()))
        self.deliver_all()
        if self.leader():
            self.leader().read()
        self.deliver_all()

    def tell(self):
        self.telling = True
        self.write()
        self.wipe(self.replicas[2])
        self.beat()
        self.change((1, 2, 3))
        self.write()
        self.change((1, 2, 4))
        self.write()
        self.retire(self.replicas[3])
        self.write()
        self.telling = False
        if not self.settle(1):
            raise Violation("L: everything is well again, and the group does not live on")


def detours(among=None):
    story = Told({})
    story.tell()
    for message in range(story.arrived):
        for detour in DETOURS:
            if among is None or message in among:
                yield message, detour


def told(taken, without=()):
    """What the story with those detours breaks, or None."""
    try:
        Told(dict(taken), without).tell()
    except Violation as violation:
        return str(violation)
    return None


def one_detour(without=()):
    for detour in detours():
        yield [detour], told([detour], without)


def two_detours(among, without=()):
    for first in detours(among):
        for second in detours():
            if second[0] > first[0]:
                yield [first, second], told([first, second], without)

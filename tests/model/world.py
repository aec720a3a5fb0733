"""The world of members.py: disks and a network, what goes wrong with them, and what must hold.

What must hold, looked at whenever it may have changed:

    C0  agreement   one value is chosen in a slot, for ever
    C1  durable     what is chosen is on the disks of a quorum of the newest configuration that a quorum has promised (disks that
                    were lost by accident since then count as if they had it: only so many may be lost at once)
    C2  one configuration   a slot is chosen by a quorum of the configuration that the slots before it say, and no other
    C3  lives       a life that was unbound is never bound again
    C4  silence     when most of the newest configuration's disks are lost nothing is chosen any more, and never another value
    B   ballots     one value is proposed in a slot and ballot
    R   reads       a read sees everything that was acknowledged before it began
    H   healthy     a directory that is the newest state of a life is never taken for an older copy
    L   the end     when everything goes well again, and no more disks were lost than the configurations bear, everything chosen is known
                    to a leader, and a new write is chosen

A `mild` world loses only as many disks as every configuration that rules, or may come to rule, can bear; there the group must
live on. Another loses any number, but for the last that knows of the group; there all but L must hold.
"""

import random

from members import NO_BALLOT, RULES, Disk, Replica, Violation, unborn


class World:
    def __init__(self, seed, without=(), members=3, spares=2, mild=True, born=True, slots_max=12):
        self.random = random.Random(seed)
        self.rules = frozenset(RULES) - frozenset(without)
        self.mild = mild
        self.slots_max = slots_max
        self.trace = []
        self.tracing = False
        self.draws = 0
        # No two worlds are alike: how quick and orderly the network is, how often there are elections, changes and accidents.
        self.quick = self.random.choice((0.75, 0.85, 0.93))
        self.orderly = self.random.choice((0.0, 0.6, 0.95))
        self.haste = self.random.choice((0.02, 0.3))
        self.unrest = self.random.choice((0.01, 0.08))
        self.accidents = self.random.choice((0.05, 0.1, 0.25))
        self.changes = self.random.choice((0.2, 0.5, 0.8))
        self.network = []
        self.copies = []            # (number, Disk): what somebody has copied
        self.lost = set()           # lives whose disk was lost by accident
        self.values = {}            # (slot, ballot) → value
        self.votes = {}             # (slot, ballot) → set of (number, life)
        self.choice = {}            # slot → (value, configuration that chose it)
        self.acknowledged_slot = 0
        self.listed = unborn(range(1, members + 1))
        self.rules_now = self.listed    # the configuration behind the longest chosen prefix
        self.prefix = 0
        self.newest_prepared = self.listed
        self.numbers = range(1, members + spares + 1)
        self.last_number = 0
        self.replicas = {number: Replica(self, number, self.new_disk()) for number in self.numbers}
        for replica in self.replicas.values():
            replica.start()
        if born:
            self.settle(2)

    # -- what replicas ask of it

    def draw(self):
        """Stands for a random number that nobody else draws."""
        self.draws += 1
        return self.draws

    def new_disk(self):
        """An empty one. The file that its process is started with names the members of now."""
        return Disk(self.draw(), self.listed if self.newest_prepared.slot == 0 else unborn(self.newest_prepared.members))

    def send(self, message):
        if message[1] is not None:
            self.network.append(message)

    def address(self, number):
        """Where messages to a number go: to the disk that is there now."""
        return (number, self.replicas[number].disk.life)

    def met(self, members):
        """The lives of all members, if all are there."""
        if not all(self.replicas[number].up for number in members):
            return None
        return {number: self.replicas[number].disk.life for number in members}

    def holds(self, number, life, slot):
        replica = self.replicas[number]
        return replica.up and replica.disk.life == life and replica.chosen >= slot

    # -- what replicas tell it

    def note(self, *words):
        if self.tracing:
            self.trace.append(" ".join(str(word) for word in words))

    def prepared(self, replica, config):
        self.note(replica.number, "leads in", replica.ballot, "the members of", config.slot, config.members)
        if config.slot > self.newest_prepared.slot:
            self.newest_prepared = config
            self.check_durable()

    def accepted(self, replica, ballot, slot, value, config):
        self.note(replica.number, "accepts", slot, ballot, value)
        if self.values.setdefault((slot, ballot), value) != value:
            raise Violation("B: two values in slot %d and ballot %s" % (slot, ballot))
        votes = self.votes.setdefault((slot, ballot), set())
        votes.add(replica.me())
        voters = config.after(slot, value, self.rules) if config.slot == 0 else config
        if voters.slot > 0 and 2 * sum(voters.members.get(n) == life for n, life in votes) > len(voters.members):
            self.chose(slot, value, config)
        if slot in self.choice and self.choice[slot][0] != value:
            self.check_durable()

    def chose(self, slot, value, config):
        if slot in self.choice:
            if self.choice[slot][0] != value:
                raise Violation("C0: two values are chosen in slot %d: %s and %s" % (slot, self.choice[slot][0], value))
            return
        self.note("chosen:", slot, value, "by the members of", config.slot)
        self.choice[slot] = (value, config)
        while self.prefix + 1 in self.choice:
            self.prefix += 1
            value, config = self.choice[self.prefix]
            if config.slot != self.rules_now.slot or config.members != self.rules_now.members:
                raise Violation("C2: slot %d is chosen by the members of slot %d, and %d rules it" %
                                (self.prefix, config.slot, self.rules_now.slot))
            after = self.rules_now.after(self.prefix, value, self.rules)
            for life in after.members.values():
                if life in self.rules_now.retired:
                    raise Violation("C3: slot %d binds a life again that was unbound" % self.prefix)
            if self.newest_prepared.slot == 0:
                self.newest_prepared = after    # at birth all that can be durable is durable with the first entry
            self.rules_now = after
        self.check_durable(slot)

    def learnt(self, replica, slot, value):
        if slot in self.choice and self.choice[slot][0] != value:
            raise Violation("C0: replica %d learns another value in slot %d" % (replica.number, slot))

    def acknowledged(self, slot):
        self.acknowledged_slot = max(self.acknowledged_slot, slot)

    def answered(self, slot, acknowledged_before):
        if slot < acknowledged_before:
            raise Violation("R: a read sees slot %d, and %d was acknowledged before it began" % (slot, acknowledged_before))

    # -- durability

    def check_durable(self, slot=None):
        members = self.newest_prepared.members
        if self.newest_prepared.slot == 0:
            return
        for t in (slot,) if slot else self.choice:
            have = 0
            for number, life in members.items():
                disk = self.replicas[number].disk
                if life in self.lost or (disk.life == life and disk.accepted.get(t, (0, None))[1] == self.choice[t][0]):
                    have += 1
            if 2 * have <= len(members):
                raise Violation("C1: slot %d is on %d disks of the %d members of slot %d" %
                                (t, have, len(members), self.newest_prepared.slot))

    def may_come_to_rule(self):
        """Every configuration that rules, or that is written down or under way and may be chosen."""
        yield self.newest_prepared.members
        yield self.rules_now.members
        for replica in self.replicas.values():
            for slot, (_, value) in replica.disk.accepted.items():
                if value[0] == "members" and slot > self.newest_prepared.slot:
                    yield dict(value[2])
        for message in self.network:
            if message[0] == "accept" and message[5][0] == "members" and message[4] > self.newest_prepared.slot:
                yield dict(message[5][2])
        for leader in self.replicas.values():
            if leader.role == "leader":
                for slot, (value, _) in leader.proposals.items():
                    if value[0] == "members" and slot > self.newest_prepared.slot:
                        yield dict(value[2])

    def bears_loss_of(self, replica):
        life = replica.disk.life
        for members in self.may_come_to_rule():
            if self.rules_now.slot == 0 and None in members.values():
                # Nobody is bound yet: the lives that were there first.
                firsts = [r.disk.first_met for r in self.replicas.values() if r.disk.first_met]
                for first in firsts:
                    if 2 * sum(self.intact(n, l) and l != life for n, l in first.items()) <= len(first):
                        return False
                continue
            if 2 * sum(self.intact(n, l) and l != life for n, l in members.items()) <= len(members):
                return False
        return True

    def intact(self, number, life):
        return self.replicas[number].disk.life == life

    def knows_of_group(self, replica):
        """Its loss would leave nobody who remembers that there was a group."""
        others = [r for r in self.replicas.values() if r is not replica]
        life = replica.disk.life
        for members in list(self.may_come_to_rule()) + [r.disk.first_met for r in others if r.disk.first_met]:
            if not any(self.intact(n, l) and l != life for n, l in members.items() if l is not None):
                return None in members.values() and not any(r.disk.first_met for r in self.replicas.values())
        return True

    # -- what goes wrong

    def lose_disk(self, replica):
        self.lost.add(replica.disk.life)
        replica.stop()

    def wipe(self, replica):
        if not (self.bears_loss_of(replica) if self.mild else self.knows_of_group(replica)):
            return
        self.note("the disk of", replica.number, "is lost")
        self.lose_disk(replica)
        replica.disk = self.new_disk()
        replica.start()

    def take_copy(self, replica):
        if len(self.copies) < 4:
            self.copies.append((replica.number, replica.disk.copy()))

    def put_copy_back(self, number, disk, reached):
        """
        A directory is replaced by an older copy, and its process speaks first with those. One of them knows more: when there is nobody
        who does, nobody can tell, and docs/operations.md says so.
        """
        self.note("the disk of", number, "is replaced by an older copy, of life", disk.life)
        replica = self.replicas[number]
        self.lose_disk(replica)
        if any(peer.judge(disk, self.rules) for peer in reached):
            disk = self.new_disk()
        replica.disk = disk
        replica.start()

    def put_copy_unheard(self, number, disk):
        """… and nobody answers its process. It is closed, until it is started again."""
        self.note("the disk of", number, "is replaced by an older copy, of life", disk.life, "and nobody hears of that")
        replica = self.replicas[number]
        self.lose_disk(replica)
        replica.disk = disk
        replica.start()
        replica.closed = "compared first" in self.rules

    def put_some_copy_back(self):
        if not self.copies:
            return
        number, disk = self.random.choice(self.copies)
        replica = self.replicas[number]
        peers = [p for p in self.replicas.values() if p.up and p is not replica]
        wise = [p for p in peers if p.judge(disk, RULES)]
        if wise and (self.bears_loss_of(replica) if self.mild else self.knows_of_group(replica)):
            reached = self.random.sample(peers, self.random.randint(1, len(peers))) + [self.random.choice(wise)]
            self.put_copy_back(number, disk.copy(), reached)

    def restart(self, replica):
        """It speaks first with some of those who are there."""
        self.meet(replica, [p for p in self.replicas.values() if p.up and p is not replica and self.random.random() < 0.6])

    def meet(self, replica, reached):
        for peer in reached:
            if peer.judge(replica.disk, self.rules) == "stale":
                raise Violation("H: replica %d holds the newest state of its life, and is taken for an older copy" %
                                replica.number)
        replica.start()
        for peer in reached:
            peer.hear(replica.me(), start=replica.disk.starts[-1])

    def retire(self, replica):
        """A machine that has been removed goes, with its disk; another comes under that number."""
        config = self.rules_now
        if config.slot == 0 or config.binds(*replica.me()) or replica.disk.life not in config.retired:
            return
        if "removed stay" in self.rules and self.newest_prepared.slot != config.slot:
            return
        self.note("the machine of", replica.number, "goes")
        replica.stop()
        replica.disk = self.new_disk()
        replica.start()
        self.check_durable()

    # -- what happens

    def reconfigure(self, leader):
        """Asks a leader for other members: new lives at their places, others gone, others come."""
        config = leader.config
        members = dict(config.members)
        for number in list(members):
            if self.replicas[number].up and self.random.random() < 0.8:
                members[number] = self.replicas[number].disk.life
        if members == config.members or self.random.random() < 0.5:
            strangers = [number for number in self.numbers if number not in members]
            for number in self.random.sample(list(members), self.random.randint(0, len(members) - 1)):
                del members[number]
            for number in self.random.sample(strangers, min(len(strangers), len(self.listed.members) - len(members))):
                members[number] = self.replicas[number].disk.life
        if all(self.intact(number, life) or life == config.members.get(number) for number, life in members.items()):
            leader.reconfigure(members)

    def deliver(self, message):
        kind, to, sender = message[:3]
        replica = self.replicas[to[0]]
        if replica.up and not replica.closed and replica.disk.life == to[1]:
            getattr(replica, "on_" + kind)(sender, *message[3:])

    def deliver_those(self, kinds, to):
        """Delivers what is under way of those kinds to those replicas, and what they answer, until nothing of the sort is left."""
        while True:
            those = [m for m in self.network if m[0] in kinds and m[1][0] in to]
            if not those:
                return
            for message in those:
                self.network.remove(message)
                self.deliver(message)

    def deliver_one(self):
        if not self.network:
            return
        i = 0 if self.random.random() < self.orderly else self.random.randrange(len(self.network))
        message = self.network[i]
        if self.random.random() < 0.95:     # else it comes again
            del self.network[i]
        if self.random.random() < 0.9:
            self.deliver(message)

    def step(self):
        if self.network and self.random.random() < self.quick:
            self.deliver_one()
            return
        replica = self.replicas[self.random.choice(self.numbers)]
        leaders = [r for r in self.replicas.values() if r.role == "leader"]
        leader = self.random.choice(leaders) if leaders else None
        dice = self.random.random()
        if dice < self.unrest or (leader is None and dice < 0.4):
            if replica.up:
                replica.campaign()
        elif self.random.random() < self.accidents:
            self.accident(replica)
        elif dice > 0.65 or leader is None:
            self.housekeeping(replica)
        elif leader.ruling is not leader.config:
            if self.random.random() < self.haste:
                leader.move()
            else:
                leader.read()
        elif self.random.random() < 0.1:
            leader.read()
        elif self.random.random() < 0.3:
            for slot in leader.proposals:
                if slot >= leader.chosen:
                    leader.offer(slot)
        elif leader.may_propose():
            if self.random.random() < self.changes:
                self.reconfigure(leader)
            else:
                leader.propose(("write", self.draw()))

    def accident(self, replica):
        dice = self.random.random()
        if dice < 0.5:
            if replica.up:
                replica.stop()
            else:
                self.restart(replica)
        elif dice < 0.7:
            self.wipe(replica)
        elif dice < 0.8:
            self.take_copy(replica)
        else:
            self.put_some_copy_back()

    def housekeeping(self, replica):
        dice = self.random.random()
        if not replica.up:
            self.restart(replica)
        elif replica.config.slot > self.newest_prepared.slot and dice < 0.3:
            replica.campaign()
        elif dice < 0.6:
            peer = self.random.choice([r for r in self.replicas.values() if r.up and r.chosen > replica.chosen] or [replica])
            replica.send("fetch", peer.me(), replica.chosen)
        elif dice < 0.8:
            replica.write_down_hint()
        else:
            self.retire(replica)

    # -- the end

    def settle(self, writes):
        """
        Everything goes well from now on: messages arrive, in order, and whoever is down starts. True if so many new writes are
        chosen, and a leader knows everything that is chosen.
        """
        self.network.clear()
        self.slots_max += 8
        for replica in self.replicas.values():
            if not replica.up:
                replica.start()
        for _ in range(60):
            leaders = [r for r in self.replicas.values() if r.role == "leader"]
            leader = max(leaders, key=lambda r: r.ballot, default=None)
            if leader is None:
                for replica in sorted(self.replicas.values(), key=lambda r: -r.chosen):
                    replica.campaign()
                    self.deliver_all()
                    if replica.role == "leader":
                        break
                self.catch_up()
                continue
            leader.move()
            if leader.role == "leader":
                if leader.may_propose() and leader.chosen == leader.next - 1:
                    if writes == 0 and leader.chosen >= max(self.choice, default=0):
                        return True
                    writes -= 1
                    leader.propose(("write", self.draw()))
                for slot in leader.proposals:
                    leader.offer(slot)
            self.deliver_all()
            if leader.role == "leader" and leader.chosen < leader.next - 1:
                leader.follow()     # it gets no quorum
            self.catch_up()
        return False

    def catch_up(self):
        most = max(self.replicas.values(), key=lambda r: r.chosen)
        for replica in self.replicas.values():
            replica.send("fetch", most.me(), replica.chosen)
        self.deliver_all()

    def deliver_all(self):
        while self.network:
            batch, self.network = self.network, []
            for message in batch:
                self.deliver(message)

    def walk(self, steps):
        for _ in range(steps):
            self.step()
        lost = not self.mild and self.most_are_lost()
        alive = self.settle(1)
        if self.mild and not alive:
            raise Violation("L: everything is well again, and the group does not live on")
        if lost and alive:
            raise Violation("C4: most disks of every quorum are lost, and the group goes on")

    def most_are_lost(self):
        return all(None not in members.values() and
                   2 * sum(self.intact(n, l) for n, l in members.items()) <= len(members)
                   for members in self.may_come_to_rule())

"""The protocol by which a group knows its members and their disks, as an abstract model.

A replica is a number with a disk. What it has written down is durable at once; what it only remembers is gone when it stops.
Messages may be lost, repeated and delivered in any order. There is no time: whoever may do something does it at any moment, or
never. Left out: read leases, snapshots, damage inside a log, starting over after the loss of a majority. world.py holds the other half:
the disks and the network, what goes wrong with them, and what must hold.

The state machine is a list of slots 1, 2, 3, …, one Paxos instance each (Lamport 2001, "Paxos Made Simple"). Values are

    ("write", n)                    a client's command
    ("no-op",)
    ("members", base, members)      a configuration: members is a tuple of (number, disk life), base the slot of the configuration
                                    that it replaces. It rules from the next slot on. With another base it is a no-op.

RULES names every rule that can be taken away; world.py shows what happens then.
"""

RULES = {
    "lives":
        "A replica counts only with the disk life that the configuration binds to its number: a wiped one has forgotten what it "
        "promised and accepted, and what a quorum with it has chosen hangs on its word.",
    "learners":
        "Who is no member counts nowhere, whatever it says and however far it has caught up.",
    "brick wall":
        "A leader proposes nothing behind a configuration before that is chosen: which quorum would it be for?",
    "new ballot":
        "When a configuration is chosen the next slots are prepared in it, with a new ballot: the old quorum's promises say nothing about "
        "what the new members have accepted.",
    "base":
        "A configuration counts only if it replaces the one that rules when its slot is chosen: it was made by who knew another one.",
    "no gaps":
        "A slot is accepted in a ballot only if it is the ballot's first, or the slot before is chosen here or accepted in this ballot. "
        "Else a configuration that only its leader holds is chosen later, below what the other configuration has chosen behind the gap.",
    "prefix":
        "A promise counts for the configuration of slot s only if its sender durably holds every slot up to s: with the first quorum "
        "that has promised, the new members alone must be able to lose as many disks as a quorum can.",
    "promise says slot":
        "The record of such a promise says s: everything up to it is chosen, and here. Else a new member forgets, when it restarts, that it is "
        "one, and waits for members that are gone.",
    "removed stay":
        "Who has been removed keeps its disk until a quorum of the new configuration has promised; until then the entries are on no "
        "other disks.",
    "caught up":
        "A change is proposed only when a quorum of the new members is there and holds what is chosen.",
    "binding in ballot":
        "Ballots are (round, binding, number), binding being how often the number has been bound to a disk before: a new life does "
        "not know which rounds the earlier one has used.",
    "never returns":
        "A life that was bound once and is not any more is never bound again: else an old machine and its replacement take turns.",
    "birth by all":
        "Before there is a configuration, slot 1 is prepared by every member of the list: a majority may be another one than before, if "
        "one member was wiped in between.",
    "birth remembers":
        "Who promises before there is a configuration notes the lives that it is named beside, durably, and for ever those that it has met "
        "first. It promises an equal ballot to no other life, and no birth goes on when most of those first lives are missing: "
        "they may have been the group, and have lost it.",
    "reads":
        "When a leader knows that another configuration is chosen, and before it says so to anybody, members of the old one no longer "
        "confirm its reads: the new ones may have elected somebody else.",
    "reads wait":
        "Nor do members of the new one, until they have promised in it: that they follow the leader now, having accepted the configuration from "
        "it, does not mean that they have chosen nothing behind it before.",
    "starts":
        "Each start of a process draws a number at random and keeps it beside those before. Peers remember the last one they have "
        "heard of each life: a directory that does not know it is an older copy, and gets a new life.",
    "acknowledged":
        "Peers remember what each life has promised and accepted: a directory that says less is an older copy too, though it has been "
        "started as often (it was copied while its process ran).",
    "compared first":
        "A process takes nothing before a peer has compared its directory: what it learnt would stand there, and the next start would "
        "be that of a directory that lacks nothing which is remembered.",
    "all starts":
        "A directory shows its peers all its starts of late, not just the last: a start may end before anybody hears of it.",
}

NO_BALLOT = (0, 0, 0)


class Violation(Exception):
    """Something that must always hold does not."""


class Disk:
    """What a replica has written down. A new one has a new life, and nothing else."""

    __slots__ = ("life", "promised", "promised_to", "said_slot", "hint", "accepted", "first_met", "starts", "heard", "listed")

    def __init__(self, life, listed):
        self.life = life
        self.listed = listed        # what the file said with which it was started first
        self.promised = NO_BALLOT
        self.promised_to = None     # before birth: the life to which it is promised
        self.said_slot = 0          # of the PROMISE records: everything up to here is chosen, and here
        self.hint = 0               # the same, written down some time after it was learnt
        self.accepted = {}          # slot → (ballot, value)
        self.first_met = None       # number → life, as named by the first candidate of a birth that was promised to
        self.starts = ()
        self.heard = {}             # what of Replica.heard has been written down

    def copy(self):
        other = Disk(self.life, self.listed)
        for name in Disk.__slots__:
            value = getattr(self, name)
            setattr(other, name, dict(value) if isinstance(value, dict) else value)
        return other


class Configuration:
    """The members that rule the slots behind `slot`. A function of the chosen values up to it, so equal everywhere."""

    __slots__ = ("slot", "members", "bindings", "retired")

    def __init__(self, slot, members, bindings, retired):
        self.slot = slot
        self.members = members      # number → life; None before birth
        self.bindings = bindings    # number → how often it was bound to another life before
        self.retired = retired      # lives that were bound once

    def binds(self, number, life):
        return number in self.members and self.members[number] in (life, None)

    def after(self, slot, value, rules):
        """The configuration behind `slot`, in which `value` has been chosen."""
        if value[0] != "members" or ("base" in rules and value[1] != self.slot):
            return self
        members = dict(value[2])
        bindings = dict(self.bindings)
        for number, life in members.items():
            if self.members.get(number) != life:
                bindings[number] = bindings.get(number, -1) + 1
        gone = {life for number, life in self.members.items() if life is not None and members.get(number) != life}
        return Configuration(slot, members, bindings, self.retired | gone)

    def is_quorum(self, votes, rules):
        """Whether those (number, life) are a majority of the members."""
        if "learners" not in rules:
            count = len({number for number, _ in votes})
        elif "lives" not in rules:
            count = len({number for number, _ in votes if number in self.members})
        else:
            count = sum(1 for number, life in votes if self.binds(number, life))
        return 2 * count > len(self.members)


def unborn(numbers):
    """What a list of members in a file says: numbers, no lives."""
    return Configuration(0, {number: None for number in numbers}, {}, frozenset())


class Replica:
    """One replica: what it remembers, and what it does with a message. `world` carries messages and watches."""

    def __init__(self, world, number, disk):
        self.world = world
        self.rules = world.rules
        self.number = number
        self.disk = disk
        self.up = False

    # -- starting and learning

    def start(self):
        disk = self.disk
        self.up = True
        self.closed = False
        self.chosen = 0
        self.config = disk.listed
        self.round = disk.promised[0]
        self.heard = dict(disk.heard)   # life → (last start, highest ballot promised, (ballot, slot) accepted)
        self.follow()
        self.learn(max(disk.hint, disk.said_slot if "promise says slot" in self.rules else 0))
        disk.starts += (self.world.draw(),)

    def stop(self):
        self.up = False
        self.role = "down"

    def follow(self):
        self.role = "follower"
        self.ballot = NO_BALLOT
        self.votes = {}
        self.reads = []

    def learn(self, slot):
        """Everything up to `slot` is chosen, and here."""
        while self.chosen < slot:
            self.chosen += 1
            value = self.disk.accepted[self.chosen][1]
            self.world.learnt(self, self.chosen, value)
            self.config = self.config.after(self.chosen, value, self.rules)

    def write_down_hint(self):
        self.disk.hint = self.chosen
        self.disk.heard = dict(self.heard)

    def me(self):
        return (self.number, self.disk.life)

    def send(self, kind, to, *content):
        """Peers are keyed by number and life: what is meant for an earlier life reaches no later one."""
        self.world.send((kind, to, self.me()) + content)

    # -- electing

    def campaign(self, as_leaver=False):
        """
        Prepares the slots behind the chosen prefix in the configuration that rules them. `as_leaver`: a leader that the newest
        configuration leaves out prepares it all the same, without a vote of its own.
        """
        config, disk = self.config, self.disk
        if not as_leaver and not config.binds(self.number, disk.life):
            return
        lives = None
        if config.slot == 0:
            lives = self.world.met(config.members)
            if lives is None:
                return      # a group is born when all its members have met
        self.round = max(self.round, disk.promised[0]) + 1
        binding = config.bindings.get(self.number, 0) if "binding in ballot" in self.rules else 0
        self.ballot = (self.round, binding, self.number)
        self.role = "candidate"
        self.votes = {}
        self.first_met = {}
        self.reads = []
        self.ruling = config
        self.lives = lives
        self.first = self.chosen + 1
        self.promise(self.ballot, self.me(), config.slot, lives)
        for number in config.members:
            self.send("prepare", self.world.address(number), self.ballot, config.slot, self.first, lives)

    def promise(self, ballot, to, config_slot, lives):
        """Writes a promise down. Comes before any word about it."""
        disk = self.disk
        disk.promised = ballot
        disk.promised_to = to[1]
        if lives is not None and disk.first_met is None:
            disk.first_met = lives
        if config_slot <= self.chosen:
            disk.said_slot = max(disk.said_slot, config_slot)

    def on_prepare(self, sender, ballot, config_slot, first, lives):
        disk = self.disk
        self.round = max(self.round, ballot[0])
        if self.config.slot > config_slot:
            self.send("behind", sender, ballot)
            return
        if self.config.slot < config_slot and "prefix" in self.rules:
            self.send("fetch", sender, self.chosen)
            return
        if not self.config.binds(*self.me()) and "lives" in self.rules and "learners" in self.rules:
            return
        if ballot < disk.promised:
            self.send("reject", sender, disk.promised)
            return
        if config_slot == 0 and "birth remembers" in self.rules:
            if lives.get(self.number) != disk.life:
                return
            if ballot == disk.promised and disk.promised_to not in (None, sender[1]):
                self.send("reject", sender, disk.promised)
                return
        if self.role != "follower" and ballot > self.ballot:
            self.follow()
        self.promise(ballot, sender, config_slot, lives)
        report = {slot: entry for slot, entry in disk.accepted.items() if slot >= first}
        self.send("promise", sender, ballot, self.chosen, report, disk.first_met)

    def on_promise(self, sender, ballot, chosen, report, first_met):
        self.hear(sender, promised=ballot)
        if self.role != "candidate" or ballot != self.ballot:
            return
        if chosen > self.chosen:
            self.follow()       # what it has not been told may be a configuration
            self.send("fetch", sender, self.chosen)
            return
        self.votes[sender] = report
        self.first_met[sender] = first_met
        if self.ruling.slot == 0 and "birth by all" in self.rules:
            elected = all(self.lives.get(number) == life for number, life in self.votes) and \
                len(self.votes) == len(self.ruling.members)
        else:
            elected = self.ruling.is_quorum(self.votes, self.rules)
        if elected:
            self.lead()

    def may_be_born(self):
        """Most of those that each has met first are here: else the group may be born, and have lost who knew."""
        return all(2 * sum(self.lives.get(number) == life for number, life in first_met.items()) > len(first_met)
                   for first_met in self.first_met.values() if first_met is not None)

    def lead(self):
        newest = {}
        for report in self.votes.values():
            for slot, (ballot, value) in report.items():
                if slot not in newest or newest[slot][0] < ballot:
                    newest[slot] = (ballot, value)
        birth = self.ruling.slot == 0 and self.first not in newest
        if birth and "birth remembers" in self.rules and not self.may_be_born():
            self.follow()       # it says who is missing, and waits for an operator
            return
        if birth and newest:
            self.follow()       # the group is born: who has accepted later slots knows somebody who knows the first
            return
        self.role = "leader"
        self.world.prepared(self, self.ruling)
        self.proposals = {}     # slot → (value, configuration that chooses it)
        self.acks = {}
        self.echoes = set()
        self.next = self.first
        for slot in range(self.first, max(newest, default=self.chosen) + 1):
            self.propose(newest[slot][1] if slot in newest else ("no-op",))
            if self.wall():
                break           # what is behind it is for another quorum
        if birth:
            self.propose(("members", 0, tuple(sorted(self.lives.items()))))
        self.barrier = self.next - 1

    # -- proposing

    def wall(self):
        """The last proposal is a configuration that is to rule the next slot."""
        if "brick wall" not in self.rules:
            return False
        value, config = self.proposals.get(self.next - 1, (("no-op",), None))
        return config is not None and config.after(self.next - 1, value, self.rules) is not config

    def may_propose(self):
        return self.role == "leader" and not self.wall() and self.next <= self.world.slots_max

    def propose(self, value):
        slot = self.next
        self.next += 1
        self.proposals[slot] = (value, self.ruling)
        self.acks[slot] = set()
        self.offer(slot)

    def offer(self, slot):
        value, config = self.proposals[slot]
        for number in self.world.numbers:
            self.send("accept", self.world.address(number), self.ballot, slot, value, self.first, self.chosen, config)

    def reconfigure(self, members):
        """Proposes other members: {number: life}."""
        config = self.config
        if self.ruling is not config or config.slot == 0 or members == config.members:
            return
        if "never returns" in self.rules and any(life in config.retired for life in members.values()):
            return
        ready = sum(1 for number, life in members.items() if self.world.holds(number, life, self.chosen))
        if 2 * ready > len(members) or "caught up" not in self.rules:
            self.propose(("members", config.slot, tuple(sorted(members.items()))))

    def on_accept(self, sender, ballot, slot, value, first, commit, config):
        disk = self.disk
        self.round = max(self.round, ballot[0])
        if ballot < disk.promised:
            self.send("reject", sender, disk.promised)
            return
        in_turn = slot == first or slot - 1 <= self.chosen or disk.accepted.get(slot - 1, (None,))[0] == ballot
        if "no gaps" in self.rules and not in_turn:
            return
        if self.role != "follower" and ballot > self.ballot:
            self.follow()
        disk.promised = ballot
        disk.promised_to = sender[1]
        disk.accepted[slot] = (ballot, value)
        self.world.accepted(self, ballot, slot, value, config)
        self.send("accepted", sender, ballot, slot)
        while self.chosen < commit and disk.accepted.get(self.chosen + 1, (None,))[0] == ballot:
            self.learn(self.chosen + 1)

    def on_accepted(self, sender, ballot, slot):
        self.hear(sender, accepted=(ballot, slot))
        if self.role == "leader" and ballot == self.ballot and slot in self.acks:
            self.acks[slot].add(sender)
            self.count()

    def count(self):
        """Takes note of what has become chosen. A leader learns only what is on its own disk too."""
        while self.chosen + 1 in self.proposals:
            slot = self.chosen + 1
            value, config = self.proposals[slot]
            voters = config.after(slot, value, self.rules) if config.slot == 0 else config
            if self.disk.accepted.get(slot, (None,))[0] != self.ballot or \
                    not voters.is_quorum(self.acks[slot], self.rules):
                break
            self.world.chose(slot, value, config)
            self.learn(slot)
            self.world.acknowledged(slot)

    def move(self):
        """A leader that knows of a newer configuration prepares it."""
        if self.role != "leader" or self.config is self.ruling:
            return
        if "new ballot" in self.rules:
            self.campaign(as_leaver=True)
            return
        self.ruling = self.config
        self.next = self.chosen + 1
        self.world.prepared(self, self.ruling)

    # -- reading

    def read(self):
        """Begins a read: it is answered when a quorum has said, since then, that it follows nobody newer."""
        if self.role != "leader" or self.chosen < self.barrier:
            return
        self.reads = [(self.chosen, self.world.acknowledged_slot, self.world.draw())]
        self.echoes = set()
        for number in self.world.numbers:
            self.send("round", self.world.address(number), self.ballot, self.reads[0][2])

    def on_round(self, sender, ballot, read):
        if ballot >= self.disk.promised:
            self.send("echo", sender, ballot, read)

    def on_echo(self, sender, ballot, read):
        if self.role != "leader" or ballot != self.ballot or not self.reads or self.reads[0][2] != read:
            return
        self.echoes.add(sender)
        if self.config is not self.ruling and self.rules >= {"reads", "reads wait"}:
            return
        config = self.config if "reads" in self.rules else self.ruling
        if config.slot > 0 and config.is_quorum(self.echoes, self.rules):
            self.world.answered(*self.reads.pop()[:2])

    # -- catching up

    def on_reject(self, sender, promised):
        self.round = max(self.round, promised[0])
        if self.role != "follower" and promised > self.ballot:
            self.follow()

    def on_behind(self, sender, ballot):
        if ballot == self.ballot:
            self.follow()
        self.send("fetch", sender, self.chosen)

    def on_fetch(self, sender, after):
        entries = {slot: self.disk.accepted[slot] for slot in range(after + 1, self.chosen + 1)}
        if entries:
            self.send("chosen", sender, entries)

    def on_chosen(self, sender, entries):
        for slot in sorted(entries):
            if slot == self.chosen + 1:
                own = self.disk.accepted.get(slot)
                if own is None or own[0] < entries[slot][0]:
                    self.disk.accepted[slot] = entries[slot]
                self.learn(slot)

    # -- lives

    def hear(self, sender, start=None, promised=None, accepted=None):
        life = sender[1]
        old = self.heard.get(life, (None, NO_BALLOT, (NO_BALLOT, 0)))
        self.heard[life] = (start or old[0], max(promised or NO_BALLOT, old[1]), max(accepted or old[2], old[2]))

    def judge(self, disk, rules):
        """What a peer says of a directory that is being started: None, or why it is not the newest state of a bound life."""
        if disk.life in self.config.retired and "never returns" in rules:
            return "unbound"
        start, promised, (ballot, slot) = self.heard.get(disk.life, (None, NO_BALLOT, (NO_BALLOT, 0)))
        if start is not None and "starts" in rules:
            if start not in (disk.starts if "all starts" in rules else disk.starts[-1:]):
                return "stale"
        if "acknowledged" in rules:
            if disk.promised < promised or (slot and disk.accepted.get(slot, (NO_BALLOT,))[0] < ballot):
                return "stale"
        return None

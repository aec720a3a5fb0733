"""Short stories: for some rules what happens without it is so rare at random that it is told step by step.

Each is played twice, without its rule, when something must go wrong, and with all, when nothing may. They say "deliver those" of
messages that arrive; all others are still under way, or lost.
"""

from world import World

ELECTION = ("prepare", "promise")
ACCEPTING = ("accept", "accepted")


def begin(members, spares, without, leader=1):
    world = World(1, without, members=members, spares=spares)
    world.catch_up()
    for replica in world.replicas.values():
        replica.follow()
    world.network.clear()
    elect(world, leader, range(1, members + 1))
    return world


def elect(world, number, voters):
    world.replicas[number].campaign()
    world.deliver_those(ELECTION, set(voters) | {number})


def fetch(world, number, source):
    world.replicas[number].send("fetch", world.address(source), world.replicas[number].chosen)
    world.deliver_those(("fetch", "chosen"), (number, source))


def change(world, leader, numbers, acceptors):
    """A leader proposes those members, with the lives that they have, and those replicas accept it."""
    world.replicas[leader].reconfigure({number: world.address(number)[1] for number in numbers})
    world.deliver_those(ACCEPTING, acceptors)


def old_quorum_confirms_a_read(without):
    """1 has been replaced by 2, knows it, and has said so; 2 leads and writes. 1 reads on."""
    world = begin(1, 1, without)
    change(world, 1, [2], [1])
    fetch(world, 2, 1)
    elect(world, 2, [])
    world.replicas[2].propose(("write", world.draw()))
    world.deliver_those(ACCEPTING, [2])
    world.replicas[1].read()
    world.deliver_those(("round", "echo"), [1, 2])


def new_quorum_confirms_a_read(without):
    """
    1 makes 3 the only member, and 3 writes. 2 has heard nothing of it; with 1, which has not heard that the change is chosen, it leads the
    old members, proposes the change again, is told that it is chosen, and reads. 3 follows it.
    """
    world = begin(3, 0, without)
    first, second, third = (world.replicas[number] for number in (1, 2, 3))
    change(world, 1, [3], [1, 3])
    fetch(world, 3, 1)
    first.stop()
    first.start()
    world.network.clear()
    elect(world, 3, [])
    third.propose(("write", world.draw()))
    world.deliver_those(ACCEPTING, [3])
    world.network.clear()
    first.round = second.round = third.round
    first.learn(first.disk.said_slot)
    elect(world, 2, [1])
    world.deliver_those(ACCEPTING, [1, 2, 3])
    second.read()
    world.deliver_those(("round", "echo"), [2, 3])


def chosen_behind_a_gap(without):
    """
    1 alone accepts a change to 4, 5, 6. 2 does not hear of it, proposes a write in that slot and another behind it; of the first 3
    hears nothing. 1 is elected by 3, and proposes its change again, as it must.
    """
    world = begin(3, 3, without)
    change(world, 1, [4, 5, 6], [1])
    world.network.clear()
    elect(world, 2, [3])
    for _ in range(2):
        world.replicas[2].propose(("write", world.draw()))
    world.network = [m for m in world.network if not (m[1][0] == 3 and m[4] == world.replicas[2].first)]
    world.deliver_those(ACCEPTING, [2, 3])
    world.replicas[1].round = world.replicas[2].round
    elect(world, 1, [3])
    world.deliver_those(ACCEPTING, [1, 3])


def ballot_used_twice(without):
    """
    2 leads, and its two proposals are under way to 4 when its disk is lost. 1 leads and makes the new disk of 2 the only member. 2
    knows nothing of the round in which it led, and comes to it again.
    """
    world = begin(3, 1, without)
    elect(world, 2, [3])
    second = world.replicas[2]
    for _ in range(2):
        second.propose(("write", world.draw()))
    late = [m for m in world.network if m[0] == "accept" and m[1][0] == 4]
    world.wipe(second)
    fetch(world, 2, 1)
    world.network.clear()
    world.replicas[1].round = world.replicas[3].disk.promised[0]
    elect(world, 1, [3])
    change(world, 1, [2], [1, 3])
    fetch(world, 2, 1)
    fetch(world, 4, 1)
    world.network.clear()
    for _ in range(late[0][3][0]):
        elect(world, 2, [])
    second.propose(("write", world.draw()))
    world.deliver_those(ACCEPTING, [2])
    for message in late:
        world.deliver(message)


def copy_from_before_a_start(without):
    """
    2 is started again after its directory was copied, and accepts a write that 1 has acknowledged. Then the copy takes its place; only 3 is
    there, which has heard that 2 was started and nothing of what it accepted.
    """
    world = begin(3, 0, without)
    first, second, third = (world.replicas[number] for number in (1, 2, 3))
    copy = second.disk.copy()
    second.stop()
    world.meet(second, [first, third])
    first.propose(("write", world.draw()))
    world.deliver_those(ACCEPTING, [1, 2])
    first.stop()
    world.network.clear()
    world.put_copy_back(2, copy, [third])
    third.round = first.round
    elect(world, 3, [2])
    if third.may_propose():
        third.propose(("write", world.draw()))
    world.deliver_those(ACCEPTING, [2, 3])


def copy_learns_before_it_is_compared(without):
    """
    2 accepts a write, which makes it chosen, and then a copy from before takes its disk's place. Nobody compares that; 1, elected again by 3,
    sends what is next, which is its new ballot's first, and 2 accepts it. Started once more it holds as much as 1 remembers. Then 1 is
    gone, and 2 and 3 have never heard of the write.
    """
    world = begin(3, 0, without)
    first, second, third = (world.replicas[number] for number in (1, 2, 3))
    copy = second.disk.copy()
    first.propose(("write", world.draw()))
    world.deliver_those(ACCEPTING, [1, 2])
    second.stop()
    world.network.clear()
    world.put_copy_unheard(2, copy)
    elect(world, 1, [3])
    first.propose(("write", world.draw()))
    world.deliver_those(ACCEPTING, [1, 2])
    second.stop()
    world.put_copy_back(2, second.disk, [first])
    first.stop()
    world.network.clear()
    third.round = first.round
    elect(world, 3, [2])
    if third.may_propose():
        third.propose(("write", world.draw()))
    world.deliver_those(ACCEPTING, [2, 3])


STORIES = {
    "reads": old_quorum_confirms_a_read,
    "reads wait": new_quorum_confirms_a_read,
    "no gaps": chosen_behind_a_gap,
    "binding in ballot": ballot_used_twice,
    "starts": copy_from_before_a_start,
    "compared first": copy_learns_before_it_is_compared,
}

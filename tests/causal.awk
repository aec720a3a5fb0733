# Reads a merged trace and judges it without the program that made it:
#
#   - every host's own count goes up by one with each of its events, and no count of its clock ever goes down;
#   - a message is received after it was sent: what its sender knew then, the receiver knows;
#   - within one life of a process Lamport times grow, and a receive's is past its send's.
#
#   awk -f tests/causal.awk TRACE
#
# prints hosts=N received=N lonely=N: messages received with and without a known sender.

function word(name,   at, rest) {
	at = index(" " $0, " " name "=")
	if (at == 0)
		return ""
	rest = substr($0, at + length(name) + 1)
	sub(/ .*/, "", rest)
	return rest
}
function parse(text, clock,   n, parts, i, pair) {
	gsub(/[{}"]/, "", text)
	n = split(text, parts, ",")
	for (i = 1; i <= n; i++) {
		split(parts[i], pair, ":")
		clock[pair[1]] = pair[2]
	}
}
function wrong(what) {
	print FILENAME ":" NR ": " what ": " $0
	bad = 1
	exit 1
}
NR % 2 == 1 {
	host = $1
	delete clock
	parse($2, clock)
	if (clock[host] != ++own[host])
		wrong("event " own[host] " of " host " is missing")
	for (other in clock) {
		if (clock[other] < past[host, other])
			wrong("time runs back")
		past[host, other] = clock[other]
	}
	hosts[host] = 1
	next
}
{
	lamport = word("lamport") + 0
	if ($1 == "start")
		last[host] = 0
	if (lamport <= last[host])
		wrong("its Lamport time is not past " last[host])
	last[host] = lamport
}
$1 == "send" {
	sent[word("message")] = host
	for (other in clock)
		known[word("message"), other] = clock[other]
	sent_at[word("message")] = lamport
}
$1 == "receive" {
	message = word("message")
	if (!(message in sent)) {
		lonely++
		next
	}
	received++
	if (lamport <= sent_at[message])
		wrong("received no later than it was sent")
	for (other in hosts)
		if ((message, other) in known && known[message, other] > clock[other])
			wrong("what " sent[message] " knew is not known here")
}
END {
	if (!bad)
		printf "hosts=%d received=%d lonely=%d\n", length(hosts), received, lonely
	exit bad
}

# Messages that fit the terminal.
# shellcheck shell=bash

# Copies stdin to stdout: if file descriptor FD is a terminal, folded at spaces to its width: folded FD
folded() {
	local columns
	if [[ -t $1 ]]; then
		columns=$(stty size 2>/dev/null <&"$1" | cut -d ' ' -f 2)
		[[ ${columns:-0} -ge 20 ]] || columns=80 # a terminal that does not know
		fold -s -w "$columns"
	else
		cat
	fi
}

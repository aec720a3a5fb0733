# Messages that fit the terminal.
# shellcheck shell=bash

# Puts into columns how wide the terminal at file descriptor FD is; 80 if it does not know: measure
# FD
measure() {
	{ columns=$(stty size 2>/dev/null <&3) || columns=''; } 3<&"$1"
	columns=${columns#* }
	[[ ${columns:-0} -ge 20 ]] || columns=80
}

# Copies stdin to stdout: if file descriptor FD is a terminal, folded at spaces to its width: folded
# FD
folded() {
	local columns
	if [[ -t $1 ]]; then
		measure "$1"
		fold -s -w "$columns"
	else
		cat
	fi
}

# Copies a table from stdin to stdout, without the given columns if it would be wider than the
# terminal at file descriptor FD: narrowed FD NAME...
narrowed() {
	local columns=100000
	if [[ -t $1 ]]; then
		measure "$1"
	fi
	shift
	awk -v most="$columns" -v names="$*" '
		{
			line[NR] = $0
			if (length($0) > width)
				width = length($0)
		}
		# Columns are parted by two places or more that are empty in all lines.
		function empty(place,    i) {
			for (i = 1; i <= NR; i++)
				if (substr(line[i], place, 1) !~ /^ ?$/)
					return 0
			return 1
		}
		END {
			for (place = 1; place <= width; place++) {
				if (empty(place)) {
					gap++
					continue
				}
				if (place == 1 || gap > 1)
					first[++count] = place
				gap = 0
			}
			first[1] = 1
			first[count + 1] = width + 3
			for (i = 1; i <= NR; i++) {
				text = ""
				for (c = 1; c <= count; c++) {
					name = substr(line[1], first[c], first[c + 1] - first[c])
					gsub(/ /, "", name)
					if (width <= most || index(" " names " ", " " name " ") == 0)
						text = text sprintf("%-" (first[c + 1] - first[c]) "s",
							substr(line[i], first[c], first[c + 1] - first[c]))
				}
				sub(/ +$/, "", text)
				print text
			}
		}'
}

# What of `kvctl status` people can do without: shown in full by that.
# shellcheck disable=SC2034 # for those who source this
unimportant=(ADDRESS BALLOT APPLIED SIZE)

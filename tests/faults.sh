#!/usr/bin/env bash
# Lists which faults of docs/faults.md are made to happen by which tests or parts of the simulator,
# and which are still open.
#
#   tests/faults.sh            a line a fault that the code of today can meet
#   tests/faults.sh --open     only those without a test; exit status 1 if there are any
set -euo pipefail
cd "$(dirname "$0")/.."

open_only=no
[[ ${1-} == --open ]] && open_only=yes

declare -A tests
while IFS=: read -r file _ text; do
	numbers=${text#*faults:}
	numbers=${numbers%%[^0-9, –-]*}
	while read -r token; do
		first=${token%%[–-]*}
		last=${token##*[–-]}
		[[ $first =~ ^[0-9]+$ && $last =~ ^[0-9]+$ ]] || continue
		for ((n = first; n <= last; n++)); do
			[[ " ${tests[$n]-} " == *" $file "* ]] || tests[$n]="${tests[$n]-} $file"
		done
	done < <(tr ',' '\n' <<<"$numbers" | tr -d ' ')
done < <(grep -rnE 'faults: *[0-9]' tests src/worlds/sim cmd/synod-sim --include='*.c' \
	--include='*.h' --include='*.sh' --include='*.txt')

missing=0
total=0
while IFS='|' read -r _ number fault _ when _; do
	number=${number// /}
	[[ $number =~ ^[0-9]+$ && $when == *now* ]] || continue
	total=$((total + 1))
	if [[ -z ${tests[$number]-} ]]; then
		missing=$((missing + 1))
		printf '%3d OPEN   %s\n' "$number" "$fault"
	elif [[ $open_only == no ]]; then
		printf '%3d %s\n%s\n' "$number" "$fault" "$(tr ' ' '\n' <<<"${tests[$number]# }" |
			sed 's/^/        /')"
	fi
done <docs/faults.md
echo "$((total - missing)) of $total faults have a test, $missing are open"
((missing == 0)) || [[ $open_only == no ]]

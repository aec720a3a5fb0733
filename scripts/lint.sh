#!/usr/bin/env bash
# Lints scripts with shellcheck, Python with its parser, and C with clang-tidy, and looks whether
# all C is formatted as .clang-format says (`make format` does that); `make tidy` runs it.
#
#   scripts/lint.sh [C-FILE... -- COMPILER-FLAG...]
#
# Each file counts as one test. The last line is "N passed, N failed".
# scripts/setup.sh --dev installs what it needs.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

for tool in shellcheck clang-tidy clang-format python3; do
	if ! command -v "$tool" >/dev/null; then
		echo "lint: there is no $tool: scripts/setup.sh --dev installs it" >&2
		echo "0 passed, 1 failed"
		exit 1
	fi
done

c_files=()
while [[ $# -gt 0 && $1 != -- ]]; do
	c_files+=("$1")
	shift
done
[[ $# -eq 0 ]] || shift

# One file: lint_one FILE FLAG...; prints what is wrong with it, between lines that name it.
lint_one() {
	local file=$1 output status=0
	shift
	case $file in
	tests/style.py:run) output=$(python3 tests/style.py 2>&1) || status=$? ;;
	*.[ch]:format) output=$(clang-format --dry-run --Werror "${file%:format}" 2>&1) ||
		status=$? ;;
	*.c) output=$(clang-tidy --quiet "$file" -- "$@" 2>/dev/null) || status=$? ;;
	*.py) output=$(python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$file" 2>&1) || status=$? ;;
	*) output=$(shellcheck -x "$file" 2>&1) || status=$? ;;
	esac
	[[ $status -eq 0 ]] || printf 'FAIL %s\n%s\n' "$file" "$output"
	return "$status"
}

mapfile -t others < <(ls scripts/*.sh scripts/*/*.sh scripts/*/*.py tests/*.py tests/*.sh \
	tests/*/*.sh .ci/*)
others+=(tests/style.py:run) # what it finds in tests, scripts and prose
mapfile -t formatted < <(find include src cmd tests -name '*.[ch]' -printf '%p:format\n')
export -f lint_one
# shellcheck disable=SC2016 # the inner shell expands that
failures=$(printf '%s\0' "${others[@]}" "${formatted[@]}" "${c_files[@]}" |
	xargs -0 -P "$(nproc)" -n 1 bash -c 'lint_one "${@: -1}" "${@:1:$#-1}" || true' lint "$@")
[[ -z $failures ]] || echo "$failures"
failed=$(grep -c '^FAIL ' <<<"$failures")
echo "$((${#others[@]} + ${#formatted[@]} + ${#c_files[@]} - failed)) passed, $failed failed"
[[ $failed -eq 0 ]]

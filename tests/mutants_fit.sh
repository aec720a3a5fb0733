#!/usr/bin/env bash
# Every mutant of tests/mutants/ can be applied to the code as it is, and what it makes of it
# compiles: any other would no longer be tried.
exec "$(dirname "$0")/mutants.sh" --check

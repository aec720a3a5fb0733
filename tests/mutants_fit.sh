#!/usr/bin/env bash
# Every mutant of tests/mutants/ can be applied to the code as it is: one that cannot would no longer be tried.
exec "$(dirname "$0")/mutants.sh" --check

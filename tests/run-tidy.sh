#!/usr/bin/env bash
#
# Runs clang-tidy, with the checks of .clang-tidy, over the parts of the kernel where a finding is
# worth most for the time that it takes:
#
#     run-tidy.sh TOP BUILD
#
# BUILD is a configured build tree: its compile_commands.json says how each file is compiled. Exit
# status 77, which ctest shows as "skipped": clang-tidy is not installed, or is of another release than
# the house uses, which has other opinions.

set -uo pipefail

top=${1:?usage: run-tidy.sh TOP BUILD}
build=${2:?usage: run-tidy.sh TOP BUILD}

if ! command -v clang-tidy >/dev/null; then
    echo "skipped: clang-tidy is not installed (package clang-tidy)"
    exit 77
fi
if [[ $(clang-tidy --version) != *"version 14."* ]]; then
    echo "skipped: the checks are those of clang-tidy 14, as in Debian 12"
    exit 77
fi

cd "$top" || exit 1
# What it says on standard error is only how many warnings it has hidden.
find sched proc kernel/lib kernel/sync kernel/boot drivers -name '*.c' -print0 |
    xargs -0 -P2 -n3 clang-tidy -p "$build" --quiet 2>"$build/tidy.log" || {
    grep -v 'warnings\? \(generated\|treated\)' "$build/tidy.log"
    exit 1
}
echo "clang-tidy has nothing to say"

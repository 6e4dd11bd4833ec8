#!/usr/bin/env bash
#
# Whether every C file is laid out as .clang-format says:
#
#     check-format.sh TOP
#
# To put one right: clang-format -i FILE. Exit status 77, which ctest shows as "skipped": clang-format
# is not installed, or is of another release than the house uses, which has other opinions.

set -uo pipefail

top=${1:?usage: check-format.sh TOP}

if ! command -v clang-format >/dev/null; then
    echo "skipped: clang-format is not installed (package clang-format)"
    exit 77
fi
if [[ $(clang-format --version) != *"version 14."* ]]; then
    echo "skipped: the layout is that of clang-format 14, as in Debian 12"
    exit 77
fi

cd "$top" || exit 1
wrong=$(find arch drivers kernel mm proc sched tests userland -name '*.[ch]' -print0 | sort -z |
    xargs -0 -P2 -n20 clang-format --style=file --dry-run 2>&1 |
    sed -n 's/^\([^:]*\):[0-9]*:[0-9]*: warning: code should be clang-formatted.*/\1/p' | sort -u)

if [[ -n $wrong ]]; then
    echo "not as clang-format would have it:"
    sed 's/^/    clang-format -i /' <<<"$wrong"
    exit 1
fi
echo "all as clang-format would have it"

#!/usr/bin/env bash
#
# Tests that a run under --icount can be had again: with the same seed of forced rescheduling the
# serial log is the same to the last byte, and with another seed it is another run.
#
#     test-replay.sh ISO LOG-PREFIX CPUS
#
# The logs are LOG-PREFIX.1.log, .2.log and .other.log. The demonstration prints which LWP ran
# where, and times in microseconds, which are instructions counted.

set -uo pipefail

iso=${1:?usage: test-replay.sh ISO LOG-PREFIX CPUS} prefix=${2:?} cpus=${3:?}

# run NAME SEED
run() {
    bash "$(dirname "${BASH_SOURCE[0]}")/run-case.sh" --name "replay of seed $2" \
        --log "$prefix.$1.log" --iso "$iso" --smp "$cpus" --icount --timeout 270 \
        --cmdline "perturb=$2" --exec "lwpdemo 20" --expect exit=0 --expect text=verified || exit 1
}

# Up to the marker of the end, without the line that names the seed. How much a guest says after that
# depends on when QEMU comes to switching it off.
words_of() {
    sed -e '/perturb=/d' -e '/_thrum:exit=/{s/\(_thrum:exit=[0-9]*\).*/\1/;q}' "$prefix.$1.log"
}

same_run() {
    cmp <(words_of "$1") <(words_of "$2")
}

run 1 7
run 2 7
run other 8
same_run 1 2 || {
    echo "FAILED: the same seed made two runs:"
    diff <(words_of 1 | cat -v) <(words_of 2 | cat -v)
    exit 1
}
same_run 1 other >/dev/null && {
    echo "FAILED: another seed made the same run"
    exit 1
}
echo "the same seed makes the same run"

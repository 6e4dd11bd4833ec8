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

# Without the line that names the seed.
same_run() {
    cmp <(grep -av 'perturb=' "$prefix.$1.log") <(grep -av 'perturb=' "$prefix.$2.log")
}

run 1 7
run 2 7
run other 8
same_run 1 2 || {
    echo "FAILED: the same seed made two runs:"
    diff <(cat -v "$prefix.1.log") <(cat -v "$prefix.2.log")
    exit 1
}
same_run 1 other >/dev/null && {
    echo "FAILED: another seed made the same run"
    exit 1
}
echo "the same seed makes the same run"

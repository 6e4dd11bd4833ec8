#!/usr/bin/env bash
#
# Writes a cpio archive (newc) with a program under two names of one file, as archivers write hard
# links: the first entry is empty, and the last one has the data.
#
#     mklinked.sh OUTPUT PROGRAM NAME NAME

set -euo pipefail

output=$1 program=$2 first=$3 last=$4

# pad NR_BYTES: zeroes up to the next multiple of four.
pad() {
    head -c $((-$1 & 3)) /dev/zero
}

# entry NAME MODE LINKS BYTES
entry() {
    printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\0' \
        7 "$2" 0 0 "$3" 0 "$4" 8 1 0 0 $((${#1} + 1)) 0 "$1"
    pad $((110 + ${#1} + 1))
}

nr_bytes=$(stat -L -c %s "$program")
{
    entry "$first" 0100755 2 0
    entry "$last" 0100755 2 "$nr_bytes"
    cat "$program"
    pad "$nr_bytes"
    entry 'TRAILER!!!' 0 1 0
} >"$output"

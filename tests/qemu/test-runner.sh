#!/usr/bin/env bash
#
# Tests what the other tests stand on: the KTAP checker, the cpio maker and the options of ./thrum.
#
#     test-runner.sh SCRATCH-DIRECTORY

set -uo pipefail

THRUM_ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
# shellcheck source=/dev/null
source "$THRUM_ROOT/tests/qemu/ktap.sh"

scratch=$(mktemp -d "${1:?usage: test-runner.sh SCRATCH-DIRECTORY}/runner.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# ktap_good NAME and ktap_bad NAME PROBLEM: the report on standard input.
ktap_good() {
    cat >"$scratch/report"
    ktap_check "$scratch/report" >"$scratch/problems" || fail "$1: $(cat "$scratch/problems")"
}

ktap_bad() {
    cat >"$scratch/report"
    if ktap_check "$scratch/report" >"$scratch/problems"; then
        fail "$1: was taken for good"
    elif ! grep -qF "$2" "$scratch/problems"; then
        fail "$1: expected '$2', but it was: $(cat "$scratch/problems")"
    fi
}

test_ktap() {
    ktap_good "a plain report between other lines" <<<'GRUB says hello
KTAP version 1
1..3
ok 1 adds up
[  0.1] sched: a line of the kernel
ok 2 - has a dash
not ok 3 later # TODO not built yet
good bye'
    ((ktap_passed == 2 && ktap_skipped == 1)) || fail "counts: $ktap_passed, $ktap_skipped"
    ktap_good "nested groups" <<<'KTAP version 1
1..2
  KTAP version 1
  1..2
    1..1
    ok 1 deep
  ok 1 with a group of its own
  ok 2 without
ok 1 outer
not ok 2 not here # SKIP needs two CPUs'
    ktap_good "carriage returns" <<<$'1..1\r\nok 1 a\r'
    ktap_good "two reports in a row" <<<$'1..1\nok 1 a\n1..1\nok 1 b'
    ktap_good "everything skipped" <<<'1..0 # SKIP no such hardware'

    ktap_bad "silence" 'no plan' <<<''
    ktap_bad "a failure" 'not ok 2 b' <<<$'1..2\nok 1 a\nnot ok 2 b'
    ktap_bad "a nested failure" 'not ok 1 x' <<<$'1..1\n  1..1\n  not ok 1 x\nok 1 a'
    ktap_bad "too few results" '1 results, but 2 were planned' <<<$'1..2\nok 1 a'
    ktap_bad "too few nested results" '1 results, but 2 were planned' \
        <<<$'1..1\n  1..2\n  ok 1 x\nok 1 a'
    ktap_bad "too many results" '2 results, but 1 were planned' <<<$'1..1\nok 1 a\nok 2 b'
    ktap_bad "a result twice" 'number 2 expected' <<<$'1..2\nok 1 a\nok 1 a'
    ktap_bad "a result without a plan" 'without a plan' <<<'ok 1 a'
    ktap_bad "a second report that is cut" '0 results, but 3 were planned' <<<$'1..1\nok 1 a\n1..3'
    ktap_bad "a suite that gives up" 'Bail out!' <<<$'1..1\nBail out! no memory\nok 1 a'
    ktap_bad "an empty plan" 'no tests at all' <<<'1..0'
    ktap_bad "a result without a number" 'without a number' <<<$'1..1\nok'
}

# hex_of FILE: its bytes, two digits each.
hex_of() {
    od -An -v -tx1 "$1" | tr -d ' \n'
}

test_mkcpio() {
    local mkcpio=$THRUM_ROOT/cmake/mkcpio.sh archive=$scratch/a.cpio hex
    printf '\0\1\377\n\0' >"$scratch/with space"
    chmod 755 "$scratch/with space"
    printf '%s\t%s\t%s\n' "$scratch/with space" '/dir/with space' - - tmp 1777 >"$scratch/list"
    bash "$mkcpio" "$archive" "$scratch/list" || fail "mkcpio failed"
    hex=$(hex_of "$archive")
    # The file's header: regular, 755, 5 bytes, a name of 15; then the name, and the data, padded.
    [[ $hex == *$(printf '000081ED' | od -An -tx1 | tr -d ' \n')* ]] || fail "mkcpio: mode"
    [[ $hex == *$(printf 'dir/with space\0' | od -An -v -tx1 | tr -d ' \n')*0001ff0a00000000* ]] ||
        fail "mkcpio: name, data or padding"
    [[ $hex == *$(printf '000043FF' | od -An -tx1 | tr -d ' \n')* ]] || fail "mkcpio: directory"
    (($(stat -c %s "$archive") % 4 == 0)) || fail "mkcpio: length"
    bash "$mkcpio" "$scratch/b.cpio" "$scratch/list"
    cmp -s "$archive" "$scratch/b.cpio" || fail "mkcpio: the same list makes another archive"

    mkdir -p "$scratch/tree/sub/empty"
    printf mine >"$scratch/tree/sub/file"
    ln -s sub/file "$scratch/tree/link"
    printf '%s\t/opt\t-\n' "$scratch/tree" >"$scratch/first"
    printf '%s\t%s\t-\n' "$scratch/with space" opt/sub/file "$scratch/with space" other >"$scratch/list"
    bash "$mkcpio" "$archive" "$scratch/first" "$scratch/list" || fail "mkcpio: a tree"
    [[ $(grep -aoE 'opt/(link|sub)[a-z/]*' "$archive" | sort | tr '\n' ' ') == \
        'opt/link opt/sub opt/sub/empty opt/sub/file ' ]] || fail "mkcpio: what is in a tree"
    grep -qa other "$archive" || fail "mkcpio: the second list"
    bash "$mkcpio" "$archive" "$scratch/list" "$scratch/first" || fail "mkcpio: the other way round"
    grep -qa mine "$archive" && fail "mkcpio: a name of the first list comes again"
    cat "$scratch/list" "$scratch/list" >"$scratch/first"
    bash "$mkcpio" "$archive" "$scratch/first" 2>/dev/null && fail "mkcpio: a name twice"

    printf '%s\t%s\t%s\n' "$scratch/none" /x - >"$scratch/list"
    bash "$mkcpio" "$scratch/c.cpio" "$scratch/list" 2>/dev/null && fail "mkcpio: a missing file"
    [[ ! -e $scratch/c.cpio ]] || fail "mkcpio: half an archive is left"
}

# refused PATTERN ARGUMENT...: ./thrum says one line that matches, and ends with 2.
refused() {
    local pattern=$1 status
    shift
    "$THRUM_ROOT/thrum" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
    status=$?
    ((status == 2)) || fail "./thrum $*: status $status"
    [[ ! -s $scratch/out && $(wc -l <"$scratch/err") == 1 ]] || fail "./thrum $*: not one line"
    grep -qE -- "$pattern" "$scratch/err" || fail "./thrum $*: $(cat "$scratch/err")"
}

test_options() {
    refused "unknown command 'frob'" frob
    refused "unknown option '--frob'" run --frob
    refused 'by --exec' run lwpdemo
    refused '--smp needs a value' run --smp
    refused "'0' is not a number of CPUs" run --smp 0
    refused "'abc' is not a number of CPUs" run --smp=abc
    refused 'not a number of CPUs' run --smp 256
    refused 'not a size' run --mem much
    refused 'not within' run --mem 1M
    refused 'not one of' run --machine vax
    refused 'not one of' run --firmware coreboot
    refused 'not one of' run --accel xen
    refused 'not one of' run --display teletype
    refused 'not a CPU model' run --cpu 'a b'
    refused 'takes no value' run --icount=1
    refused 'does not go with' run --icount --accel kvm
    refused 'needs --mem 128M' run --firmware uefi --mem 64M
    refused 'seconds above 0' run --timeout 0
    refused 'seconds above 0' run --timeout -3
    refused 'no program' run --exec ' '
    refused 'line break' run --exec $'a\nb'
    refused 'longer than' run --cmdline "$(printf '%2000s' x)"
    refused 'no file' run --add /no/such/file
    refused 'neither a file nor a folder' run --add /dev/null
    refused 'not a plain path' run --add "$THRUM_ROOT/thrum:../x"
    refused 'no preset' run --preset none
    refused 'no file' run --iso /no/such/file
    refused "not a number" test --jobs many
    refused 'not a TCP port' gdb --port 70000
    refused 'no row .frob.' bench --row frob
    refused 'not a date' bench --rtc today
    refused 'chosen by --row' bench exec
    refused 'unknown option' bench --smp 2
    refused 'no source file' cc
    refused 'cannot read' cc none.c
    refused 'takes no value' cc --xv6=1 none.c
    refused 'unknown command' help frob
    refused 'no arguments' doctor frob
}

test_help() {
    local command
    for command in '' run test bench iso gdb cc doctor; do
        "$THRUM_ROOT/thrum" help $command | grep -q '^\./thrum\|^  \./thrum' || fail "help $command"
    done
}

test_ktap
test_mkcpio
test_options
test_help
((failures == 0)) && echo "All is well."
exit $((failures > 0))

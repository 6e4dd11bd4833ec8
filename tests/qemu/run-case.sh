#!/usr/bin/env bash
#
# Runs one case: boots an ISO on a machine and compares what became of it with what is expected.
#
#     run-case.sh --name NAME --log FILE [--expect WHAT]... [--monitor COMMAND]... MACHINE-OPTIONS
#                 [-- QEMU-OPTIONS]
#
# Machine options are those of `./thrum run`; --iso and --timeout are needed. COMMANDs are for QEMU's
# monitor, which gets one every 50 ms from when the first program runs. WHAT is one of
#
#     exit=N  signal=N  panic  refused=REGEX  timeout
#                     how it ends; exit=0 unless said. After exit and signal the machine has to be
#                     switched off, within a minute, should the host be busy ...
#     no-power-off    ... unless this says that it cannot be
#     ktap            the output is a complete KTAP report without failures
#     text=REGEX      what the guest says on the serial line has a line that matches
#     no-text=REGEX   it has none
#     screen=REGEX    the VGA text screen has a row that matches
#
# Regular expressions are extended ones, as of grep -E. A case that fails shows the whole serial log,
# and the command that runs the same by hand.

set -uo pipefail

THRUM_ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
for part in scripts/common scripts/packages scripts/machine scripts/guest tests/qemu/ktap; do
    # shellcheck source=/dev/null
    source "$THRUM_ROOT/$part.sh"
done

name='' log='' how='exit=0' check_ktap=no may_stay_on=no
texts=() no_texts=() screens=()
monitor_commands=()
machine_options=()
problems=()

parse_options() {
    local used value
    while (($# > 0)); do
        split_option "$1"
        case $option in
            --name)
                take_value "$@"
                name=$value
                ;;
            --log)
                take_value "$@"
                log=$value
                ;;
            --expect)
                take_value "$@"
                expect "$value"
                ;;
            --monitor)
                take_value "$@"
                monitor_commands+=("$value")
                ;;
            --)
                machine_extra=("${@:2}")
                break
                ;;
            *)
                parse_machine_option "$@" || usage_error "unknown option '$1'"
                machine_options+=("${@:1:used}")
                ;;
        esac
        shift "$used"
    done
    [[ -n $name && -n $log && -n ${machine[iso]} && -n ${machine[timeout]} ]] ||
        usage_error "--name, --log, --iso and --timeout are needed"
    check_machine
}

expect() {
    case $1 in
        exit=* | signal=* | panic | refused=* | timeout) how=$1 ;;
        no-power-off) may_stay_on=yes ;;
        ktap) check_ktap=yes ;;
        text=*) texts+=("${1#*=}") ;;
        no-text=*) no_texts+=("${1#*=}") ;;
        screen=*) screens+=("${1#*=}") ;;
        *) usage_error "--expect: unknown expectation '$1'" ;;
    esac
}

problem() {
    problems+=("$*")
}

# Gives the next command to the monitor, if the time has come.
feed_monitor() {
    ((${#monitor_commands[@]} > 0)) && grep -aq 'init: user mode' "$guest_log" || return 0
    guest_monitor "${monitor_commands[0]}"
    monitor_commands=("${monitor_commands[@]:1}")
}

# Copies the VGA text memory: 25 rows of 80 cells, a character and its colours each.
dump_screen() {
    local tries
    guest_monitor "pmemsave 0xb8000 4000 \"$guest_run_dir/screen\""
    for ((tries = 0; tries < 600; tries++)); do
        [[ -s $guest_run_dir/screen ]] && break
        sleep 0.05
    done
}

screen_rows() {
    od -An -v -tc -w2 "$guest_run_dir/screen" | cut -c4 | tr '\n' '\1' | sed 's/\x01//g' | fold -w 80
}

check_outcome() {
    local said=$outcome
    [[ -n $outcome_value && $outcome != @(panic|timeout) ]] && said+="=$outcome_value"
    if [[ $how == refused=* ]]; then
        [[ $outcome == refused ]] && grep -qE -- "${how#*=}" <<<"$outcome_value" ||
            problem "expected to be $how, but it was $said"
    elif [[ $said != "$how" ]]; then
        problem "expected $how, but it was $said: $(guest_describe)"
    fi
    if [[ $outcome == @(exit|signal) && $guest_powered_off == no && $may_stay_on == no ]]; then
        problem "the machine was not switched off"
    fi
}

check_texts() {
    local regex
    for regex in "${texts[@]}"; do
        grep -aqE -- "$regex" "$guest_log" || problem "no line matches: $regex"
    done
    for regex in "${no_texts[@]}"; do
        grep -aqE -- "$regex" "$guest_log" && problem "a line matches: $regex"
    done
    for regex in "${screens[@]}"; do
        screen_rows | grep -aqE -- "$regex" || problem "no row of the screen matches: $regex"
    done
}

check_report() {
    local report
    # No subshell: ktap_check sets variables.
    ktap_check "$guest_log" >"$guest_run_dir/ktap" ||
        while IFS= read -r report; do
            problem "$report"
        done <"$guest_run_dir/ktap"
}

describe_machine() {
    printf '%s, %s, %s CPUs, %s' "${machine[type]}" "${machine[firmware]}" "${machine[smp]}" "${machine[mem]}"
}

main() {
    local started
    parse_options "$@"
    guest_prepare "$log"
    ((${#screens[@]} > 0)) && guest_before_stop=dump_screen
    ((${#monitor_commands[@]} > 0)) && guest_at_poll=feed_monitor
    [[ $may_stay_on == no ]] && power_off_limit_us=60000000
    started=$(now_us)
    guest_run "${machine[iso]}" quiet </dev/null
    local ms=$((($(now_us) - started) / 1000))

    check_outcome
    check_texts
    local results=''
    if [[ $check_ktap == yes ]]; then
        check_report
        results=", $ktap_passed passed, $ktap_skipped skipped"
    fi

    if ((${#problems[@]} == 0)); then
        echo "$name: passed in $((ms / 1000)).$(printf %03d $((ms % 1000))) s ($(describe_machine))$results"
        return 0
    fi
    echo "$name: FAILED ($(describe_machine))"
    printf '  %s\n' "${problems[@]}"
    echo "---- the serial log ----"
    cat -v "$guest_log"
    echo
    if [[ -s $guest_run_dir/screen ]]; then
        echo "---- the screen ----"
        screen_rows
        echo
    fi
    echo "---- end ----"
    printf 'QEMU was: %s\n' "${qemu[*]}"
    printf 'By hand:'
    printf ' %q' ./thrum run "${machine_options[@]}"
    ((${#machine_extra[@]} == 0)) || printf ' %q' -- "${machine_extra[@]}"
    echo
    [[ ${machine[icount]} == yes ]] && echo "which is the same run each time (docs/testing.md)"
    return 1
}

main "$@"

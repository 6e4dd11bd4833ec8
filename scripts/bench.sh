# ./thrum bench: runs tests/bench in a guest whose time is a count of instructions, and sets the
# results beside the targets and beside what Linux needs. docs/benchmarks.md explains the rows.

# row | target | Linux | unit | memory
#
# Linux: 6.1 of Debian 12 in the same emulator, a static musl program; of a range, the better end.
# "-": nothing was measured or promised. A target may be a multiple of what another row needs, with
# one decimal.
# Rows that need more than the ordinary memory run only when asked for.
readonly bench_table='
lwp_create_join        | 6000              | 58000  | instructions |
lwp_create_join_10     | 6000              | -      | instructions |
lwp_create_join_100000 | 1.3 x lwp_create_join_10 | - | instructions | 6G
lwp_memory             | 20480             | -      | bytes        |
futex_wake_nobody      | 170               | 511    | instructions |
futex_ping_pong        | 2250              | 6700   | instructions |
futex_ring             | 1600              | 4800   | instructions |
cond_ping_pong         | 3800              | 11300  | instructions |
yield                  | 300               | 1870   | instructions |
yield_10               | -                 | -      | instructions |
yield_10000            | 1.2 x yield_10    | -      | instructions |
null_call              | 115               | 345    | instructions |
signal_to_self         | 1640              | 3286   | instructions |
fork_exit_wait         | 33000             | 100000 | instructions |
fork_exec_wait         | -                 | -      | instructions |
vfork_exec_wait        | 46000             | 138000 | instructions |
spawn_wait             | 50000             | 151000 | instructions |
exec                   | -                 | -      | instructions |
pipe_ping_pong         | 3200              | 9500   | instructions |
pipe_bandwidth         | 3000              | 1560   | MB/s         |
page_fault             | 930               | 2800   | instructions |
cow_fault              | 1730              | 3460   | instructions |
mmap_touch_munmap      | 1170              | 3500   | instructions |
open_close             | 2300              | 4590   | instructions |
stat                   | 1330              | 2670   | instructions |
fstat                  | -                 | -      | instructions |
read_4k                | 850               | 1705   | instructions |
write_4k               | 1050              | 2095   | instructions |
create_close_unlink    | 6600              | 13200  | instructions |
pthread_create_join    | 9700              | 58000  | instructions |
clock_gettime          | 78                | 78     | instructions |
raise                  | -                 | -      | instructions |
'

readonly bench_mem=512M
bench_rows=() # all, in the table's order
declare -A bench_target bench_linux bench_unit bench_needs

bench_read_table() {
    local name target linux unit needs
    while IFS='|' read -r name target linux unit needs; do
        read -r name <<<"$name"
        [[ -n $name ]] || continue
        bench_rows+=("$name")
        read -r "bench_target[$name]" <<<"$target"
        read -r "bench_linux[$name]" <<<"$linux"
        read -r "bench_unit[$name]" <<<"$unit"
        read -r "bench_needs[$name]" <<<"$needs"
    done <<<"$bench_table"
}

# add_rtc_bases LIST: dates separated by commas, as QEMU takes them.
add_rtc_bases() {
    local base bases
    IFS=, read -r -a bases <<<"$1"
    for base in "${bases[@]}"; do
        [[ $base =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$ ]] ||
            usage_error "--rtc: '$base' is not a date; say 2024-01-01T00:00:00"
        rtc_bases+=("$base")
    done
}

# median VALUE...: of an even number the lower of the two in the middle.
median() {
    printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

# group_digits NUMBER: 1234567 as 1,234,567.
group_digits() {
    local rest=$1 grouped=''
    while ((${#rest} > 3)); do
        grouped=,${rest: -3}$grouped
        rest=${rest:0:-3}
    done
    printf '%s' "$rest$grouped"
}

# bench_target_of ROW: as a number, or "-".
bench_target_of() {
    local target=${bench_target[$1]}
    if [[ $target =~ ^([0-9]+)\.([0-9])\ x\ (.+)$ ]]; then
        local of=${bench_value[${BASH_REMATCH[3]}]:--}
        [[ $of == - ]] || of=$((of * (BASH_REMATCH[1] * 10 + BASH_REMATCH[2]) / 10))
        target=$of
    fi
    printf '%s' "$target"
}

# bench_ratio ROW: how many times better than Linux, in hundredths; "-" without a figure of Linux.
bench_ratio() {
    local value=${bench_value[$1]} linux=${bench_linux[$1]}
    if [[ $linux == - ]]; then
        printf '%s' -
    elif [[ ${bench_unit[$1]} == MB/s ]]; then
        printf '%s' "$(((value * 100 + linux / 2) / linux))"
    else
        printf '%s' "$(((linux * 100 + value / 2) / value))"
    fi
}

# bench_is_met ROW TARGET: "yes", "no" or "-".
bench_is_met() {
    local value=${bench_value[$1]}
    if [[ $2 == - ]]; then
        printf '%s' -
    elif [[ ${bench_unit[$1]} == MB/s ]]; then
        ((value >= $2)) && printf yes || printf no
    else
        ((value <= $2)) && printf yes || printf no
    fi
}

bench_print_table() {
    local row target ratio
    printf '%-22s %11s %11s  %-4s %11s %6s  %s\n' row Thrum target met 'Linux 6.1' ratio unit
    for row in "$@"; do
        target=$(bench_target_of "$row")
        ratio=$(bench_ratio "$row")
        [[ $ratio == - ]] || ratio=$((ratio / 100)).$(printf %02d $((ratio % 100)))
        printf '%-22s %11s %11s  %-4s %11s %6s  %s\n' "$row" "$(group_digits "${bench_value[$row]}")" \
            "$(group_digits "$target")" "$(bench_is_met "$row" "$target")" \
            "$(group_digits "${bench_linux[$row]}")" "$ratio" "${bench_unit[$row]}"
    done
}

# json_number TEXT: a "-" is null.
json_number() {
    [[ $1 == - ]] && printf null || printf '%s' "$1"
}

bench_print_json() {
    local row comma='' bases
    bases=$(printf ', "%s"' "${rtc_bases[@]}")
    printf '{\n  "preset": "%s",\n  "memory": "%s",\n  "short": %s,\n  "rtc": [%s],\n  "rows": [' \
        "$preset" "${machine[mem]}" "$is_short" "${bases:2}"
    for row in "$@"; do
        printf '%s\n    {"name": "%s", "unit": "%s", "value": %s, "values": [%s], "target": %s, "linux": %s}' \
            "$comma" "$row" "${bench_unit[$row]}" "${bench_value[$row]}" "${bench_values[$row]// /, }" \
            "$(json_number "$(bench_target_of "$row")")" "$(json_number "${bench_linux[$row]}")"
        comma=,
    done
    printf '\n  ]\n}\n'
}

# bench_run_once BASE: one guest; adds what it measured to bench_values.
bench_run_once() {
    local name value
    machine[rtc]=$1
    guest_prepare "$THRUM_ROOT/build/bench.log"
    guest_run "${machine[iso]}" quiet </dev/null
    while read -r name value; do
        [[ $value =~ ^[0-9]+$ ]] && bench_values[$name]+="${bench_values[$name]:+ }$value"
    done < <(tr -d '\r' <"$guest_log" | sed -n 's/^bench: //p')
    guest_clean_up
    [[ $outcome == exit && $outcome_value == 0 ]] && return
    guest_report
    say "what the guest said is in build/bench.log"
    return 1
}

# ./thrum bench
command_bench() {
    local preset=release json='' is_short=false is_big=no used value row base wanted=() rtc_bases=()
    local -A bench_values bench_value
    bench_read_table
    machine[timeout]=1200
    while (($# > 0)); do
        split_option "$1"
        case $option in
            -h | --help)
                command_help bench
                return
                ;;
            --row)
                take_value "$@"
                [[ -v bench_unit[$value] ]] ||
                    usage_error "--row: there is no row '$value'; './thrum bench --list' lists them"
                wanted+=("$value")
                ;;
            --rtc)
                take_value "$@"
                add_rtc_bases "$value"
                ;;
            --json)
                take_value "$@"
                json=$value
                ;;
            --preset)
                take_value "$@"
                preset=$value
                check_preset "$preset"
                ;;
            --iso | --timeout | --cmdline) parse_machine_option "$@" ;;
            --big) no_value && is_big=yes ;;
            --short) no_value && is_short=true ;;
            --list)
                no_value
                printf '%s\n' "${bench_rows[@]}"
                return
                ;;
            -*) usage_error "bench: unknown option '$1'; see './thrum help bench'" ;;
            *) usage_error "bench: unexpected argument '$1'; a row is chosen by --row" ;;
        esac
        shift "$used"
    done
    ((${#rtc_bases[@]} > 0)) || rtc_bases=("${machine[rtc]}")

    local rows=()
    for row in "${bench_rows[@]}"; do
        if ((${#wanted[@]} > 0)); then
            [[ " ${wanted[*]} " == *" $row "* ]] && rows+=("$row")
        elif [[ -z ${bench_needs[$row]} || $is_big == yes ]]; then
            rows+=("$row")
        fi
    done
    machine[smp]=1 machine[icount]=yes machine[mem]=$bench_mem
    for row in "${rows[@]}"; do
        [[ -n ${bench_needs[$row]} ]] && check_mem "${bench_needs[$row]}"
    done
    machine[exec]="bench $([[ $is_short == true ]] && echo '--short ')${rows[*]}"
    check_machine
    prepare_iso "$preset"

    for base in "${rtc_bases[@]}"; do
        bench_run_once "$base" || return 1
    done
    for row in "${rows[@]}"; do
        [[ -n ${bench_values[$row]:-} ]] || die "the guest did not say what $row needs"
        # shellcheck disable=SC2086 # it is a list
        bench_value[$row]=$(median ${bench_values[$row]})
    done
    if [[ $json == - ]]; then
        bench_print_json "${rows[@]}"
        return
    fi
    bench_print_table "${rows[@]}"
    [[ -z $json ]] || bench_print_json "${rows[@]}" >"$json" || die "cannot write '$json'"
}

# Running a guest and finding out what became of it.
#
# The guest tells its story over the serial line, in markers that terminals do not show
# (docs/serial-protocol.md). QEMU writes a log of everything it says; while QEMU runs we read the
# log behind it, and the last marker decides:
#
#   outcome   value        status of ./thrum run
#   exit      N            N: the program's own
#   signal    N            128 + N
#   timeout   seconds      124
#   panic                  125
#   reset                  125: the machine reset itself, or QEMU went away without a word
#   refused   reason       126: the kernel does not run on this machine
#   never                  126: no sign of the kernel
#   quit                   130: the user closed QEMU

readonly poll_s=0.05
# How long a guest may take from its last marker to the power-off. Not every machine can be
# switched off by software, and a kernel that panicked does not try. Tests, to which the difference
# matters, are more patient.
power_off_limit_us=3000000
readonly last_words_us=1000000
# Where no time limit was given: no sign of a kernel for so long means that there will be none. OVMF
# alone takes 6 s.
readonly boot_limit_us=180000000

guest_run_dir=''
guest_pid=''
guest_feeder=''
saved_terminal=''

# Gives QEMU's monitor a command; opened for reading too, so that it cannot block.
guest_monitor() {
    [[ -p $guest_run_dir/monitor.in ]] && echo "$1" 1<>"$guest_run_dir/monitor.in"
}

# guest_gone SECONDS: waits so long for the end of QEMU.
guest_gone() {
    local tries
    for ((tries = 0; tries < $1 * 20; tries++)); do
        kill -0 "$guest_pid" 2>/dev/null || return 0
        sleep 0.05
    done
    return 1
}

# The caller's input, where it is no terminal, for the guest's console: once there is a kernel that
# takes it, and with Ctrl-D at its end. That ends the one program that reads then, and an end of a
# file is for all, so a few more follow for those that read next.
guest_feed() {
    local presses
    trap 'kill "$!" 2>/dev/null; exit' TERM
    until grep -qaF '_thrum:boot=' "$guest_log"; do
        sleep 0.1
    done
    cat <&0 &
    wait "$!"
    for ((presses = 0; presses < 20; presses++)); do
        printf '\004'
        sleep 0.5
    done
}

# Ends QEMU if it still runs. A QEMU that is asked restores the terminal; only one that does not
# answer is killed.
guest_stop() {
    [[ -n $guest_pid ]] || return 0
    [[ -n $guest_feeder ]] && kill "$guest_feeder" 2>/dev/null
    guest_feeder=''
    if kill -0 "$guest_pid" 2>/dev/null; then
        guest_monitor quit
        guest_gone 3 || { kill "$guest_pid" && guest_gone 3; } || kill -KILL "$guest_pid"
    fi 2>/dev/null
    wait "$guest_pid" 2>/dev/null
    guest_pid=''
}

# Whatever happens, no QEMU stays behind, the terminal is as it was, and the log can be read.
guest_clean_up() {
    guest_stop
    [[ -n $saved_terminal ]] && stty "$saved_terminal" 2>/dev/null
    if [[ -n $guest_run_dir ]]; then
        [[ -e $guest_run_dir/serial.log ]] && mv "$guest_run_dir/serial.log" "$guest_log_kept"
        rm -rf "$guest_run_dir"
        guest_run_dir=''
    fi
}

# guest_prepare KEPT_LOG: makes the directory of this run; the serial log ends up as KEPT_LOG.
guest_prepare() {
    guest_log_kept=$1
    mkdir -p "$(dirname "$guest_log_kept")" || exit 1
    guest_run_dir=$(mktemp -d "$(dirname "$guest_log_kept")/run.XXXXXX") || die "cannot make a directory"
    guest_log=$guest_run_dir/serial.log
    : >"$guest_log"
    trap guest_clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
}

# guest_console MODE: adds the serial line to `qemu`, and a monitor for ourselves.
#   user      the caller's terminal, or what its standard input and output are
#   quiet     nobody listens
guest_console() {
    local log
    log=logfile=$(qemu_quote "$guest_log")
    mkfifo "$guest_run_dir/monitor.in" "$guest_run_dir/monitor.out"
    qemu+=(-chardev "pipe,id=ours,path=$(qemu_quote "$guest_run_dir/monitor")" -mon chardev=ours)
    if [[ $1 == quiet || ${machine[display]} == curses ]]; then
        qemu+=(-chardev "null,id=con,$log" -serial chardev:con)
    elif [[ -t 0 ]]; then
        saved_terminal=$(stty -g)
        # QEMU turns off what the terminal does to input, but not what it does to output: the guest
        # ends its lines itself.
        say "Ctrl-A X ends QEMU; all other keys go to the guest"
        stty -onlcr -ocrnl
        qemu+=(-chardev "stdio,id=con,mux=on,signal=off,$log" -serial chardev:con -mon chardev=con)
    else
        qemu+=(-chardev "stdio,id=con,signal=off,$log" -serial chardev:con)
    fi
}

# Reads what is new in the log, from descriptor log_fd, and takes note of markers.
guest_read_markers() {
    local line text
    while IFS= read -r -u "$log_fd" line; do
        text=$guest_partial_line$line
        guest_partial_line=''
        guest_note_markers "$text"
    done
    guest_partial_line+=$line
    # No marker is that long: a program may print without ever ending a line.
    ((${#guest_partial_line} > 65536)) && guest_partial_line=${guest_partial_line: -4096}
    guest_note_markers "$guest_partial_line"
}

# guest_note_markers TEXT: the markers in one line.
guest_note_markers() {
    local text=$1 marker
    while [[ $text == *$'\e_thrum:'*$'\e\\'* ]]; do
        text=${text#*$'\e_thrum:'}
        marker=${text%%$'\e\\'*}
        text=${text#*$'\e\\'}
        if [[ $marker == boot=* ]]; then
            guest_booted=yes
        elif [[ $marker =~ ^(exit|signal)=([0-9]{1,3})$ || $marker =~ ^(panic|refused)=(.*)$ ]]; then
            outcome=${BASH_REMATCH[1]}
            outcome_value=${BASH_REMATCH[2]//[[:cntrl:]]/ }
        fi
    done
    [[ $text == *"QEMU: Terminated"* ]] && guest_quit=yes
    return 0
}

# Waits for the end of QEMU, a last marker, or the time limit.
guest_watch() {
    local start now deadline='' never
    local ended_at='' limit # when the last marker was seen, and what it may still take
    start=$(now_us)
    if [[ -n ${machine[timeout]} ]]; then
        local whole=${machine[timeout]%.*} fraction=000
        [[ ${machine[timeout]} == *.* ]] && fraction=${machine[timeout]#*.}000
        deadline=$((start + 10#$whole * 1000000 + 10#${fraction:0:3} * 1000))
    fi

    # A pipe that nothing is ever written to: reading from it with a limit is a sleep without fork.
    exec {never}<> <(:)
    exec {log_fd}<"$guest_log"
    while kill -0 "$guest_pid" 2>/dev/null; do
        read -r -t "$poll_s" -u "$never"
        guest_read_markers
        "${guest_at_poll:-:}"
        now=$(now_us)
        if [[ -n $outcome && -z $ended_at ]]; then
            ended_at=$now
        fi
        limit=$power_off_limit_us
        [[ $outcome == panic || $outcome == refused ]] && limit=$last_words_us
        if [[ -n $ended_at ]] && ((now - ended_at > limit)); then
            guest_powered_off=no
            break
        elif [[ -z $ended_at && -n $deadline ]] && ((now > deadline)); then
            outcome=timeout outcome_value=${machine[timeout]}
            guest_powered_off=no
            break
        elif [[ -z $guest_booted$ended_at$deadline && ${machine[display]} == none ]] &&
            ((now - start > boot_limit_us)); then
            break
        fi
    done
    "${guest_before_stop:-:}"
    guest_stop
    guest_read_markers
    exec {never}<&- {log_fd}<&-
}

# guest_run ISO MODE: runs the machine; sets outcome, outcome_value, guest_booted,
# guest_powered_off and guest_log. See guest_console for MODE. Two functions are called while QEMU
# runs, if variables name them: guest_at_poll every $poll_s seconds, guest_before_stop at the end.
guest_run() {
    outcome='' outcome_value='' guest_booted='' guest_powered_off=yes guest_quit=''
    guest_partial_line=''
    [[ $2 == user && -t 0 && ${machine[display]} != curses ]] && machine[size]=$(stty size)
    make_qemu_arguments "$1" "$guest_run_dir"
    guest_console "$2"
    # A job in the background would get /dev/null as its input: hand it ours.
    if [[ $2 == user && ! -t 0 ]]; then
        mkfifo "$guest_run_dir/input"
        guest_feed <&0 >"$guest_run_dir/input" 2>/dev/null &
        guest_feeder=$!
        "${qemu[@]}" <"$guest_run_dir/input" &
    else
        "${qemu[@]}" <&0 &
    fi
    guest_pid=$!
    guest_watch
    [[ -n $saved_terminal ]] && stty "$saved_terminal"

    if [[ -z $outcome ]]; then
        if [[ $guest_quit == yes ]]; then
            outcome=quit
        elif [[ -z $guest_booted ]]; then
            outcome=never
        else
            outcome=reset
        fi
    fi
    return 0
}

# The exit status of `./thrum run` for the outcome.
guest_status() {
    case $outcome in
        exit) echo "$((10#$outcome_value & 255))" ;;
        signal) echo "$((128 + (10#$outcome_value & 127)))" ;;
        timeout) echo 124 ;;
        panic | reset) echo 125 ;;
        refused | never) echo 126 ;;
        quit) echo 130 ;;
    esac
}

# One plain line about the outcome; none for a program that ended well.
guest_describe() {
    local not_started=''
    [[ -z $guest_booted ]] && not_started=', before the kernel started'
    case $outcome in
        exit) ((10#$outcome_value == 0)) || echo "the program exited with status $outcome_value" ;;
        signal) echo "the program was ended by signal $outcome_value (SIG$(kill -l "$outcome_value"))" ;;
        timeout) echo "timed out after $outcome_value s$not_started" ;;
        panic) echo "the kernel panicked" ;;
        reset) echo "the machine reset or stopped without telling a status" ;;
        refused) echo "the kernel refused to run: $outcome_value" ;;
        never) echo "the guest never started: no sign of the kernel on the serial line" ;;
        quit) echo "stopped by the user" ;;
    esac
}

# Says it on standard error; a line that the guest left open on the terminal is ended first.
guest_report() {
    local line
    line=$(guest_describe)
    [[ -n $line ]] || return 0
    [[ -t 2 && -n $(visible_text "$guest_partial_line") ]] && echo >&2
    say "$line"
}

# visible_text TEXT: without markers and carriage returns.
visible_text() {
    local text=$1
    while [[ $text == *$'\e_'*$'\e\\'* ]]; do
        text=${text%%$'\e_'*}${text#*$'\e_'*$'\e\\'}
    done
    printf '%s' "${text//$'\r'/}"
}

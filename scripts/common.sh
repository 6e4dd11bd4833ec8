# What every part of the front door uses: messages, and helpers for options.
#
# Exit statuses of ./thrum itself: 1, something failed; 2, it was called wrongly. `./thrum run` adds
# those that tell about the guest (scripts/guest.sh).

# Bytes are bytes: lengths of names, decimal points and classes of characters must not depend on
# the user's locale.
export LC_ALL=C

say() {
    printf 'thrum: %s\n' "$*" >&2
}

die() {
    say "$*"
    exit 1
}

usage_error() {
    say "$*"
    exit 2
}

# have COMMAND...: are all of them installed?
have() {
    command -v "$@" >/dev/null 2>&1
}

# Microseconds since this machine started, in steps of 10000. Unlike the calendar, that is never set.
now_us() {
    local uptime
    read -r uptime _ </proc/uptime
    printf '%s0000' "${uptime/./}"
}

# Options may be written `--name value` or `--name=value`. split_option makes the second form the
# first: it sets `option`, and `inline_value` when there was a "=".
split_option() {
    option=$1
    unset -v inline_value
    if [[ $1 == --*=* ]]; then
        option=${1%%=*}
        inline_value=${1#*=}
    fi
}

# take_value "$@": after split_option, sets `value` and how many arguments it `used`.
take_value() {
    if [[ -v inline_value ]]; then
        value=$inline_value
        used=1
    elif (($# >= 2)); then
        value=$2
        used=2
    else
        usage_error "$option needs a value"
    fi
    [[ $value == *$'\n'* ]] && usage_error "$option: the value must not contain a line break"
    return 0
}

# For options that take no value.
no_value() {
    [[ -v inline_value ]] && usage_error "$option takes no value"
    used=1
}

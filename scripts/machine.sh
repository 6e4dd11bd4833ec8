# The virtual machine: its options, and the QEMU command line they make.

# The machine's settings, with their defaults. parse_machine_option changes them.
declare -A machine=(
    [smp]=2 [mem]=512M [type]=q35 [firmware]=bios [cpu]='' [accel]=tcg [icount]=no
    [display]=none [cmdline]='' [size]='' [exec]='' [timeout]='' [iso]='' [boot]=''
    [rtc]=2024-01-01T00:00:00
)
# What --add collected: host file, guest path, host file, guest path ...
machine_files=()
# QEMU options given after "--".
machine_extra=()

# A plain x86-64 with the features a program of today expects. "max" has everything that QEMU can
# emulate and is slower.
readonly default_cpu=qemu64,+rdrand,+fsgsbase,+popcnt,+ssse3,+sse4.1,+sse4.2

# The kernel keeps this much of its command line (BOOT_CMDLINE_MAX), GRUB's part included.
readonly max_cmdline_bytes=1900

is_number() {
    [[ $1 =~ ^[1-9][0-9]{0,8}$ ]]
}

# one_of NAME ALLOWED...
one_of() {
    local wanted=$1 allowed
    shift
    for allowed in "$@"; do
        [[ $wanted == "$allowed" ]] && return 0
    done
    usage_error "$option: '$wanted' is not one of: $*"
}

check_mem() {
    [[ $1 =~ ^([1-9][0-9]{0,6})([MG]?)$ ]] ||
        usage_error "--mem: '$1' is not a size; say 512M or 4G"
    local mib=${BASH_REMATCH[1]}
    [[ ${BASH_REMATCH[2]} == G ]] && mib=$((mib * 1024))
    ((mib >= 4 && mib <= 1024 * 1024)) || usage_error "--mem: '$1' is not within 4M and 1024G"
    machine[mem]=${mib}M
}

check_timeout() {
    [[ $1 =~ ^[0-9]{1,6}(\.[0-9]{1,3})?$ && ! $1 =~ ^[0.]+$ ]] ||
        usage_error "--timeout: '$1' is not a number of seconds above 0"
    machine[timeout]=$1
}

# add_file HOST[:GUEST]. A name with a colon that exists as a whole is a host file. What is below a
# folder comes below GUEST.
add_file() {
    local host=$1 guest=''
    if [[ ! -e $host && $host == *:* ]]; then
        guest=${host##*:}
        host=${host%:*}
    fi
    [[ -e $host ]] || usage_error "--add: there is no file '$host'"
    [[ -f $host || -d $host ]] || usage_error "--add: '$host' is neither a file nor a folder"
    [[ -r $host ]] || usage_error "--add: '$host' cannot be read"
    [[ -f $host && (-z $guest || $guest == */) ]] && guest+=${host##*/}
    while [[ $guest == /* ]]; do
        guest=${guest#/}
    done
    [[ -d $host ]] && guest=/$guest # never empty: the list's columns are separated by tabs
    [[ /$guest/ == */../* || /$guest/ == */./* || $guest == *$'\t'* ]] &&
        usage_error "--add: '$guest' is not a plain path in the guest"
    machine_files+=("$host" "$guest")
}

check_exec() {
    [[ $1 =~ [^[:space:]] ]] || usage_error "--exec: no program given"
    machine[exec]=$1
}

# parse_machine_option "$@": takes the option in front; sets how many arguments it `used`. Fails
# when it is not one of the machine's.
parse_machine_option() {
    split_option "$1"
    case $option in
        --icount) no_value && machine[icount]=yes && return 0 ;;
        --smp | --mem | --machine | --firmware | --cpu | --accel | --display | --cmdline | \
            --timeout | --add | --exec | --iso | --boot) take_value "$@" ;;
        *) return 1 ;;
    esac
    case $option in
        --smp)
            is_number "$value" && ((value <= 255)) ||
                usage_error "--smp: '$value' is not a number of CPUs from 1 to 255"
            machine[smp]=$value
            ;;
        --mem) check_mem "$value" ;;
        --machine)
            one_of "${value%%,*}" q35 pc
            machine[type]=$value
            ;;
        --firmware)
            one_of "$value" bios uefi
            machine[firmware]=$value
            ;;
        --cpu)
            [[ $value =~ ^[A-Za-z0-9][A-Za-z0-9_.,+=:-]*$ ]] ||
                usage_error "--cpu: '$value' is not a CPU model; 'qemu-system-x86_64 -cpu help' lists them"
            machine[cpu]=$value
            ;;
        --accel)
            one_of "$value" tcg kvm
            machine[accel]=$value
            ;;
        --display)
            one_of "${value%%[=,]*}" none gtk sdl curses vnc
            machine[display]=$value
            ;;
        --boot)
            one_of "$value" cd disk card
            machine[boot]=$value
            ;;
        --cmdline) machine[cmdline]=$value ;;
        --timeout) check_timeout "$value" ;;
        --add) add_file "$value" ;;
        --exec) check_exec "$value" ;;
        --iso)
            [[ -f $value && -r $value ]] || usage_error "--iso: there is no file '$value'"
            machine[iso]=$value
            ;;
    esac
}

# What cannot be seen from one option alone; to be called before anything is built.
check_machine() {
    if [[ ${machine[accel]} == kvm ]]; then
        [[ ${machine[icount]} == yes ]] &&
            usage_error "--icount counts emulated instructions: it does not go with --accel kvm"
        [[ -w /dev/kvm ]] || usage_error "--accel kvm: /dev/kvm is missing or not writable for you"
    fi
    if [[ ${machine[firmware]} == uefi ]]; then
        ((${machine[mem]%M} >= 128)) || usage_error "--firmware uefi needs --mem 128M or more"
    fi
    local cmdline
    cmdline=$(guest_cmdline)
    ((${#cmdline} <= max_cmdline_bytes)) ||
        usage_error "--cmdline and --exec together are longer than $max_cmdline_bytes bytes"
}

# The text that the kernel appends to its command line. In it, a double quote and a backslash of
# the program's text are escaped by a backslash.
guest_cmdline() {
    local text=${machine[cmdline]} exec=${machine[exec]} size=${machine[size]}
    [[ $size == +([0-9])' '+([0-9]) ]] && text="console_size=${size/ /x}${text:+ }$text"
    if [[ -n $exec ]]; then
        exec=${exec//\\/\\\\}
        exec=${exec//\"/\\\"}
        text="exec=\"$exec\"${text:+ }$text" # first: what is not closed in the rest is the rest's
    fi
    printf '%s' "$text"
}

# In a QEMU option a comma separates; one that belongs to a file name is doubled.
qemu_quote() {
    printf '%s' "${1//,/,,}"
}

# Reads of a CD or a disk are done when the host has done them: while the firmware waits, it counts
# instructions, another number each time, and everything later happens at another time, in relation
# to the emulator's own timers, which also end the turn of the virtual CPU that runs. Reads of an SD
# card stop the virtual machine, clock and all.
default_boot() {
    if [[ ${machine[icount]} == yes && ${machine[firmware]} == bios ]]; then
        echo card
    else
        echo cd
    fi
}

# make_card IMAGE CARD: a copy whose size is a power of two, as SD cards have it.
make_card() {
    local nr_bytes=1048576
    while ((nr_bytes < $(stat -L -c %s "$1"))); do
        nr_bytes=$((nr_bytes * 2))
    done
    cp "$1" "$2" && chmod u+w "$2" && truncate -s "$nr_bytes" "$2" || die "cannot copy the image"
}

# make_qemu_arguments ISO RUN_DIR: fills `qemu`, all but the console; RUN_DIR takes the files that
# belong to this run.
make_qemu_arguments() {
    local iso=$1 run_dir=$2 dir
    dir=$(qemu_quote "$run_dir")

    qemu=(qemu-system-x86_64 -name thrum -no-user-config -nodefaults -no-reboot -vga std
        -machine "${machine[type]}" -smp "${machine[smp]}" -m "${machine[mem]}")
    iso=if=none,id=iso,format=raw,file=$(qemu_quote "$iso")
    case ${machine[boot]:-$(default_boot)} in
        card)
            make_card "$1" "$run_dir/card"
            qemu+=(-drive "if=none,id=iso,format=raw,file=$dir/card"
                -device sdhci-pci -device sd-card,drive=iso)
            ;;
        cd) qemu+=(-drive "$iso,media=cdrom,readonly=on" -device ide-cd,drive=iso,bootindex=0) ;;
        disk) qemu+=(-drive "$iso,snapshot=on" -device ide-hd,drive=iso,bootindex=0) ;;
    esac

    # Large guests touch little of their memory: reserve none of it, for the host may not have it.
    ((${machine[mem]%M} > 1024)) &&
        qemu+=(-object "memory-backend-ram,id=ram,size=${machine[mem]},reserve=off"
            -machine memory-backend=ram)

    case ${machine[accel]}/${machine[icount]} in
        kvm/*) qemu+=(-accel kvm -cpu "${machine[cpu]:-host}") ;;
        # The same run again gives the same instructions: time is counted, not measured.
        tcg/yes) qemu+=(-accel tcg,thread=single -icount shift=0,sleep=off
            -rtc "base=${machine[rtc]},clock=vm" -seed 1 -cpu "${machine[cpu]:-$default_cpu}") ;;
        tcg/no) qemu+=(-accel tcg,thread=multi -cpu "${machine[cpu]:-$default_cpu}") ;;
    esac

    if [[ ${machine[firmware]} == uefi ]]; then
        find_ovmf || die "no OVMF firmware is installed; see ./thrum doctor"
        cp "$ovmf_vars" "$run_dir/ovmf-vars.fd" && chmod u+w "$run_dir/ovmf-vars.fd"
        qemu+=(-drive "if=pflash,unit=0,format=raw,readonly=on,file=$(qemu_quote "$ovmf_code")"
            -drive "if=pflash,unit=1,format=raw,file=$dir/ovmf-vars.fd")
    fi

    case ${machine[display]} in
        vnc) qemu+=(-display vnc=127.0.0.1:0,to=99) ;;
        *) qemu+=(-display "${machine[display]}") ;;
    esac

    guest_cmdline >"$run_dir/cmdline"
    [[ -s $run_dir/cmdline ]] && qemu+=(-fw_cfg "name=opt/thrum/cmdline,file=$dir/cmdline")
    if ((${#machine_files[@]} > 0)); then
        printf '%s\t%s\t-\n' "${machine_files[@]}" >"$run_dir/overlay.list"
        bash "$THRUM_ROOT/cmake/mkcpio.sh" "$run_dir/overlay.cpio" "$run_dir/overlay.list" ||
            die "--add: cannot make the overlay"
        qemu+=(-fw_cfg "name=opt/thrum/overlay.cpio,file=$dir/overlay.cpio")
    fi
    qemu+=("${machine_extra[@]}")
}

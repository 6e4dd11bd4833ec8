# The commands of ./thrum.

# ./thrum run
command_run() {
    local preset=release used value
    while (($# > 0)); do
        split_option "$1"
        case $option in
            -h | --help)
                command_help run
                return
                ;;
            --preset)
                take_value "$@"
                preset=$value
                check_preset "$preset"
                ;;
            --)
                machine_extra=("${@:2}")
                break
                ;;
            -*) parse_machine_option "$@" || usage_error "run: unknown option '$1'; see './thrum help run'" ;;
            *) usage_error "run: unexpected argument '$1'; a program to run is given by --exec" ;;
        esac
        shift "$used"
    done
    check_machine
    prepare_iso "$preset"

    guest_prepare "$THRUM_ROOT/build/serial.log"
    guest_run "${machine[iso]}" user
    guest_report
    return "$(guest_status)"
}

# prepare_iso PRESET: builds the ISO, unless --iso named one.
prepare_iso() {
    if [[ -n ${machine[iso]} ]]; then
        need run
        return
    fi
    # shellcheck disable=SC2046
    need build $(linux_of "$1") run
    build "$1" iso
    machine[iso]=$(build_dir "$1")/thrum.iso
}

# ./thrum iso
command_iso() {
    local preset=release used value iso
    while (($# > 0)); do
        split_option "$1"
        case $option in
            -h | --help)
                command_help iso
                return
                ;;
            --preset)
                take_value "$@"
                preset=$value
                check_preset "$preset"
                ;;
            *) usage_error "iso: unexpected argument '$1'; see './thrum help iso'" ;;
        esac
        shift "$used"
    done
    # shellcheck disable=SC2046
    need build $(linux_of "$preset")
    build "$preset" iso
    iso=$(build_dir "$preset")/thrum.iso
    say "$(($(stat -c %s "$iso") / 1024)) KiB, boots from CD and from a USB stick, under BIOS and UEFI:"
    echo "$iso"
}

# ./thrum test
command_test() {
    local presets=(release debug) jobs='' used value
    local ctest_arguments=() left_out='soak|slow'
    while (($# > 0)); do
        split_option "$1"
        case $option in
            -h | --help)
                command_help test
                return
                ;;
            --preset)
                take_value "$@"
                check_preset "$value"
                presets=("$value")
                ;;
            --jobs)
                take_value "$@"
                is_number "$value" || usage_error "--jobs: '$value' is not a number"
                jobs=$value
                ;;
            --label)
                take_value "$@"
                ctest_arguments+=(-L "$value")
                [[ $value == slow ]] && left_out=soak
                ;;
            --all) no_value && left_out=soak ;;
            --list) no_value && ctest_arguments+=(-N) ;;
            --)
                ctest_arguments+=("${@:2}")
                break
                ;;
            -*) usage_error "test: unknown option '$1'; see './thrum help test'" ;;
            *)
                ctest_arguments+=(-R "$1")
                used=1
                ;;
        esac
        shift "$used"
    done
    # shellcheck disable=SC2046
    need build $(linux_of "${presets[0]}") run test
    ctest_arguments=(--label-exclude "^($left_out)\$" "${ctest_arguments[@]}")

    local preset tested=no failed=()
    for preset in "${presets[@]}"; do
        # What runs on the host is the same in all builds: once is enough.
        configure "$preset" "$([[ $preset == "${presets[0]}" ]] && echo ON)"
        build "$preset"
    done
    for preset in "${presets[@]}"; do
        has_tests "$preset" "${ctest_arguments[@]}" || continue
        tested=yes
        say "tests of build/$preset"
        run_ctest "$preset" --output-on-failure --parallel "${jobs:-$(nproc)}" "${ctest_arguments[@]}" ||
            failed+=("$preset")
    done
    [[ $tested == yes ]] || die "no test matches; './thrum test --list' shows what there is"
    if ((${#failed[@]} > 0)); then
        for preset in "${failed[@]}"; do
            sed "s|^[0-9]*:|thrum: failed in build/$preset: |" \
                "$(build_dir "$preset")/Testing/Temporary/LastTestsFailed.log" >&2
        done
        return 1
    fi
}

# run_ctest PRESET CTEST-OPTION...: the tests of one build.
run_ctest() {
    ctest --test-dir "$(build_dir "$1")" "${@:2}"
}

# has_tests PRESET CTEST-OPTION...: do these options choose any?
has_tests() {
    ! run_ctest "$@" --show-only | grep -q '^Total Tests: 0'
}

# ./thrum gdb
command_gdb() {
    local preset=debug port=1234 used value
    while (($# > 0)); do
        split_option "$1"
        case $option in
            -h | --help)
                command_help gdb
                return
                ;;
            --preset)
                take_value "$@"
                preset=$value
                check_preset "$preset"
                ;;
            --port)
                take_value "$@"
                is_number "$value" && ((value <= 65535)) || usage_error "--port: '$value' is not a TCP port"
                port=$value
                ;;
            -*) parse_machine_option "$@" || usage_error "gdb: unknown option '$1'; see './thrum help gdb'" ;;
            *) usage_error "gdb: unexpected argument '$1'; see './thrum help gdb'" ;;
        esac
        shift "$used"
    done
    check_machine
    prepare_iso "$preset"

    local symbols
    symbols=$(build_dir "$preset")/thrum.elf
    guest_prepare "$THRUM_ROOT/build/serial.log"
    machine_extra+=(-S -gdb "tcp:127.0.0.1:$port")
    if have gdb; then
        gdb_attached "$symbols" "$port"
    else
        say "gdb is not installed (apt-get install gdb). QEMU waits; attach from another terminal:"
        say "  gdb $symbols -ex 'target remote 127.0.0.1:$port' -ex 'hbreak arch_boot' -ex continue"
        machine[timeout]=''
        guest_run "${machine[iso]}" user
        guest_report
    fi
}

# gdb_attached SYMBOLS PORT: gdb has the terminal; the serial line goes to a file.
gdb_attached() {
    make_qemu_arguments "${machine[iso]}" "$guest_run_dir"
    # A session of its own: Ctrl-C is for gdb.
    setsid "${qemu[@]}" -serial "file:$(qemu_quote "$guest_log")" </dev/null &
    guest_pid=$!
    say "the serial line goes to $guest_log"
    gdb -q "$1" -ex "target remote 127.0.0.1:$2" -ex 'hbreak arch_boot' -ex continue
}

# ./thrum cc
command_cc() {
    local preset=release output='' is_xv6=no sources=() flags=() used value
    while (($# > 0)); do
        split_option "$1"
        used=1
        case $option in
            -h | --help)
                command_help cc
                return
                ;;
            --preset)
                take_value "$@"
                preset=$value
                check_preset "$preset"
                ;;
            -o)
                (($# >= 2)) || usage_error "cc: -o needs a value"
                output=$2
                used=2
                ;;
            --xv6) no_value && is_xv6=yes ;;
            -[IDULlx] | -include | -isystem)
                (($# >= 2)) || usage_error "cc: $1 needs a value"
                flags+=("$1" "$2")
                used=2
                ;;
            -*) flags+=("$1") ;;
            *)
                [[ -r $1 ]] || usage_error "cc: cannot read '$1'"
                sources+=("$1")
                ;;
        esac
        shift "$used"
    done
    ((${#sources[@]} > 0)) || usage_error "cc: no source file given; see './thrum help cc'"
    if [[ -z $output ]]; then
        output=${sources[0]##*/}
        output=${output%.*}
    fi
    # shellcheck disable=SC2046
    need build $(linux_of "$preset")
    build "$preset" thrum_sysroot

    local sysroot
    sysroot=$(build_dir "$preset")/sysroot
    # As userland/CMakeLists.txt compiles and links its own programs.
    local link=(-static -nostdlib -fuse-ld=lld "-Wl,-T,$sysroot/lib/thrum.ld" -Wl,--gc-sections
        -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack)
    if [[ $is_xv6 == yes ]]; then
        local xv6_flags
        mapfile -t xv6_flags < <(grep '^-' "$sysroot/xv6/xv6.flags")
        clang "${xv6_flags[@]}" -isystem "$sysroot/xv6/include" "${link[@]}" "${flags[@]}" \
            "${sources[@]}" "$sysroot/xv6/xv6.o" -o "$output"
        return
    fi
    clang --target=x86_64-linux-gnu -std=gnu17 -ffreestanding -nostdlibinc -fno-pic \
        -fno-stack-protector -fno-asynchronous-unwind-tables -O2 -isystem "$sysroot/include" \
        "${link[@]}" "${flags[@]}" \
        "$sysroot/lib/crt0.o" "${sources[@]}" "$sysroot/lib/libthrum.a" -o "$output"
}

# ./thrum doctor
command_doctor() {
    if [[ ${1:-} == @(-h|--help) ]]; then
        command_help doctor
        return
    fi
    (($# == 0)) || usage_error "doctor: takes no arguments"
    local purpose check apt rest
    printf '%-7s %-20s %s\n' "for" "package" "state"
    while IFS='|' read -r purpose check apt rest; do
        read -r purpose <<<"$purpose"
        [[ -n $purpose ]] || continue
        read -r check <<<"$check"
        read -r apt <<<"$apt"
        printf '%-7s %-20s %s\n' "$purpose" "${apt/-@/}" "$(doctor_state "$check")"
    done <<<"$package_table"
    echo
    echo "bash $BASH_VERSION, $(nproc) CPUs, $(awk '/MemAvailable/ { printf "%d MiB free", $2 / 1024 }' /proc/meminfo)"
    doctor_kvm
    if find_missing build linux run test; then
        say "missing: ${missing_apt[*]/-@/}; to install it, as root:"
        print_install_commands
        return 1
    fi
    echo "Nothing is missing."
}

# doctor_state CHECK: the version of what is there.
doctor_state() {
    if ! is_installed "$1"; then
        echo "missing"
        return
    fi
    case $1 in
        command:nasm) nasm -v ;;
        command:spin) spin -V ;;
        command:mformat) mformat --version | head -n 1 ;;
        command:grub-mkrescue) { grub-mkrescue --version || grub2-mkrescue --version; } 2>/dev/null ;;
        command:xorriso) xorriso --version 2>/dev/null | head -n 1 ;;
        command:clang-tidy) clang-tidy --version | sed -n 's/^ *\(.*version.*\)/\1/p' ;;
        command:ninja) echo "ninja $(ninja --version)" ;;
        command:*) "${1#command:}" --version | head -n 1 ;;
        static:busybox) busybox 2>/dev/null | head -n 1 || echo "there" ;;
        file:ovmf) find_ovmf && echo "$ovmf_code" ;;
        *) echo "there" ;;
    esac
}

doctor_kvm() {
    if [[ -w /dev/kvm ]]; then
        echo "KVM: /dev/kvm is writable: --accel kvm may work. Emulation (tcg) is used unless you ask."
    elif [[ -e /dev/kvm ]]; then
        echo "KVM: /dev/kvm is not writable for you (group kvm?). Emulation (tcg) is used."
    else
        echo "KVM: not there. Emulation (tcg) is used: all works, CPU-bound programs are slower."
    fi
}

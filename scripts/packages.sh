# What has to be installed, how to see that it is, and what the package is called where.
#
# A row: what it is for, the check, and the packages of apt, dnf and pacman. Checks look for a
# command or a file, so that a call with nothing missing costs a few milliseconds.

readonly package_table='
build | command:clang                | clang               | clang                   | clang
build | command:ld.lld               | lld                 | lld                     | lld
build | command:llvm-objcopy         | llvm                | llvm                    | llvm
build | command:nasm                 | nasm                | nasm                    | nasm
build | command:cmake                | cmake               | cmake                   | cmake
build | command:ninja                | ninja-build         | ninja-build             | ninja
build | file:grub/i386-pc            | grub-pc-bin         | grub2-pc-modules        | grub
build | file:grub/x86_64-efi         | grub-efi-amd64-bin  | grub2-efi-x64-modules   | grub
build | command:grub-mkrescue        | grub-common         | grub2-tools-extra       | grub
build | command:xorriso              | xorriso             | xorriso                 | libisoburn
build | command:mformat              | mtools              | mtools                  | mtools
build | file:linux-headers           | linux-libc-dev      | kernel-headers          | linux-api-headers
linux | file:musl                    | musl-dev            | musl-libc-static        | musl
linux | file:builtins                | libclang-rt-@-dev   | compiler-rt             | compiler-rt
linux | static:busybox               | busybox-static      | busybox                 | busybox
run   | command:qemu-system-x86_64   | qemu-system-x86     | qemu-system-x86-core    | qemu-system-x86
run   | file:ovmf                    | ovmf                | edk2-ovmf               | edk2-ovmf
test  | file:cmocka                  | libcmocka-dev       | libcmocka-devel         | cmocka
test  | file:sanitizers              | libclang-rt-@-dev   | compiler-rt             | compiler-rt
test  | python:pexpect               | python3-pexpect     | python3-pexpect         | python-pexpect
test  | python:pyte                  | python3-pyte        | python3-pyte            | python-pyte
test  | command:spin                 | spin                | spin                    | spin
test  | command:clang-tidy           | clang-tidy          | clang-tools-extra       | clang
test  | command:clang-format         | clang-format        | clang-tools-extra       | clang
'

# Firmware: pairs of code and variables, as distributions name them; the first that exists is used.
readonly ovmf_pairs=(
    "/usr/share/OVMF/OVMF_CODE_4M.fd /usr/share/OVMF/OVMF_VARS_4M.fd"
    "/usr/share/OVMF/OVMF_CODE.fd /usr/share/OVMF/OVMF_VARS.fd"
    "/usr/share/edk2/ovmf/OVMF_CODE.fd /usr/share/edk2/ovmf/OVMF_VARS.fd"
    "/usr/share/edk2/x64/OVMF_CODE.4m.fd /usr/share/edk2/x64/OVMF_VARS.4m.fd"
    "/usr/share/edk2-ovmf/x64/OVMF_CODE.fd /usr/share/edk2-ovmf/x64/OVMF_VARS.fd"
)

# Sets ovmf_code and ovmf_vars; fails when no firmware is installed.
find_ovmf() {
    local pair
    for pair in "${ovmf_pairs[@]}"; do
        ovmf_code=${pair% *}
        ovmf_vars=${pair#* }
        [[ -r $ovmf_code && -r $ovmf_vars ]] && return 0
    done
    return 1
}

# is_installed CHECK: CHECK is the second column of the table.
is_installed() {
    case $1 in
        command:grub-mkrescue) have grub-mkrescue || have grub2-mkrescue ;;
        command:*) have "${1#command:}" ;;
        file:grub/*) [[ -e /usr/lib/${1#file:}/multiboot2.mod ]] ;;
        file:linux-headers) [[ -e /usr/include/linux/futex.h ]] ;;
        file:ovmf) find_ovmf ;;
        file:cmocka) [[ -e /usr/include/cmocka.h ]] ;;
        file:musl) [[ -e /usr/lib/x86_64-linux-musl/libc.a || -e /usr/x86_64-linux-musl/lib64/libc.a ||
            -e /usr/lib/musl/lib/libc.a ]] ;;
        file:builtins) has_compiler_rt builtins ;;
        file:sanitizers) has_compiler_rt asan ;;
        python:*) compgen -G "/usr/lib/python3*/*-packages/${1#python:}" >/dev/null ;;
        static:*) is_static "$(PATH=$PATH:/usr/sbin:/sbin command -v "${1#static:}")" ;;
    esac
}

# has_compiler_rt LIBRARY: one of clang's run-time libraries.
has_compiler_rt() {
    compgen -G "/usr/lib*/llvm-*/lib/clang/*/lib/linux/libclang_rt.$1*" >/dev/null ||
        compgen -G "/usr/lib*/clang/*/lib/*/libclang_rt.$1*" >/dev/null
}

# is_static PROGRAM: does it run without a dynamic linker? Distributions have busybox in both kinds.
is_static() {
    [[ -r $1 ]] && ! grep -qaE '/ld-(linux-x86-64|musl-x86_64)\.so' "$1"
}

# find_missing PURPOSE...: fills missing_apt, missing_dnf, missing_pacman with package names.
find_missing() {
    local purpose check apt dnf pacman
    missing_apt=() missing_dnf=() missing_pacman=()
    while IFS='|' read -r purpose check apt dnf pacman; do
        read -r purpose <<<"$purpose"
        [[ -n $purpose && " $* " == *" $purpose "* ]] || continue
        read -r check apt dnf pacman <<<"$check $apt $dnf $pacman"
        is_installed "$check" && continue
        missing_apt+=("$apt") missing_dnf+=("$dnf") missing_pacman+=("$pacman")
    done <<<"$package_table"
    ((${#missing_apt[@]} > 0))
}

# The sanitizers' run-time library belongs to one version of clang, and its package is named after
# it; some releases have it inside libclang-common. Replaces "libclang-rt-@-dev" in missing_apt.
name_sanitizer_package() {
    local major candidate i
    if have clang; then
        major=$(clang -dumpversion)
        major=${major%%.*}
    else
        major=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p')
    fi
    for i in "${!missing_apt[@]}"; do
        [[ ${missing_apt[i]} == libclang-rt-@-dev ]] || continue
        missing_apt[i]=libclang-rt-dev
        for candidate in "libclang-rt-$major-dev" libclang-rt-dev "libclang-common-$major-dev"; do
            if apt-cache show "$candidate" >/dev/null 2>&1; then
                missing_apt[i]=$candidate
                break
            fi
        done
    done
}

unique() {
    printf '%s\n' "$@" | sort -u | tr '\n' ' ' | sed 's/ $//'
}

print_install_commands() {
    name_sanitizer_package
    {
        echo "  Debian, Ubuntu:  apt-get install --no-install-recommends ${missing_apt[*]}"
        echo "  Fedora:          dnf install $(unique "${missing_dnf[@]}")"
        echo "  Arch:            pacman -S --needed $(unique "${missing_pacman[@]}")"
    } >&2
}

# Runs apt-get as root, by sudo where we are not. Without a terminal sudo must not ask. A machine that
# has just started may be updating itself: that is waited for.
apt_get() {
    local as_root=()
    if ((EUID != 0)); then
        as_root=(sudo)
        [[ -t 0 ]] || as_root+=(-n)
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 \
        -o Acquire::Retries=3 "$@" </dev/null >&2
}

install_missing() {
    have apt-get && { ((EUID == 0)) || have sudo; } || return 1
    say "installing with apt-get"
    # What has the lists locked is reading them as well.
    apt_get update || { ((EUID == 0)) && sleep 30 && apt_get update; } || say "going on with the lists there are"
    name_sanitizer_package
    apt_get install -y --no-install-recommends "${missing_apt[@]}"
}

# need PURPOSE...: installs what is missing for these purposes, or says how and ends.
need() {
    find_missing "$@" || return 0
    say "missing packages: ${missing_apt[*]//-@/}"
    if ! install_missing; then
        say "cannot install them from here; as root, run the line of your distribution:"
        print_install_commands
        exit 1
    fi
    if find_missing "$@"; then
        say "still missing after the installation: ${missing_apt[*]//-@/}"
        print_install_commands
        exit 1
    fi
}

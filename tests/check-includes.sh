#!/usr/bin/env bash
#
# Checks the walls of the house (HACKING.md, "The layout"):
#
#     check-includes.sh [TOP]
#
#   - a file includes only what is on its own level or below (the table `level_of`);
#   - nobody includes another folder's private header;
#   - a scheduling class includes nothing but what sched/class.h allows;
#   - no CPU macro and no inline assembly outside arch/;
#   - the core is small enough to be read.
#
# What breaks a rule for a good reason is in the table `exceptions`, with the reason.

set -uo pipefail
shopt -s extglob globstar nullglob

cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}" || exit 1

readonly core_lines_max=10000

readonly cpu_macro='\b__(x86_64(__)?|amd64(__)?|i386(__)?|aarch64__|arm__|riscv|SSE[0-9_]*|AVX[0-9_]*)\b'
readonly inline_assembly='\b(asm|__asm|__asm__)[[:space:]]*(volatile|__volatile__|goto|inline)?[[:space:]]*\('

# FILE HEADER, and why this one may include that.
readonly exceptions='
arch/x86_64/apic.c      mm/kmap.h           its registers are mapped like those of any device
arch/x86_64/apic.c      drivers/acpi.h      the MADT lists CPUs and interrupt controllers
arch/x86_64/ioapic.c    mm/kmap.h           as apic.c
arch/x86_64/ioapic.c    drivers/acpi.h      as apic.c
arch/x86_64/clock.c     mm/kmap.h           the HPET is mapped like any device
arch/x86_64/clock.c     drivers/acpi.h      ACPI says where the HPET and the PM timer are
arch/x86_64/mmu.c       mm/kmap.h           prepares the tables of that part of the kernel half
arch/x86_64/context.c   mm/slab.h           the size of a saved FPU state is known from CPUID only
arch/x86_64/gdt.c       mm/kstack.h         interrupt and IST stacks have guard pages too
arch/x86_64/idt.c       mm/kstack.h         tells a stack overflow from other faults
arch/x86_64/smp.c       mm/slab.h           per-CPU variables, for as many CPUs as there are
arch/x86_64/smp.c       drivers/acpi.h      the MADT lists the CPUs
arch/x86_64/boot/boot.c drivers/console.h   the first C function: messages need somewhere to go
arch/x86_64/boot/boot.c drivers/uart16550.h as above
arch/x86_64/boot/boot.c kernel/init.h       ends by calling the kernel proper
arch/x86_64/signal.c    mm/user_copy.h      the frames of handlers lie in user memory
kernel/panic.c          sched/lwp.h         names the LWP that was running
userland/lib/stdio.c    kernel/format.h     one formatter for kernel and programs; pure
'

# Sets `level` of FILE, a path from the top. A higher number may include a lower one.
level_of() {
    case $1 in
        arch/* | kernel/include/abi/* | kernel/lib/* | kernel/boot/*) level=0 ;;
        kernel/@(console|interrupts|log|log_read|panic|random|symbols|trace|utsname).c | kernel/sync/spinlock.c) level=0 ;;
        kernel/include/kernel/@(bootinfo|bytes|chacha20|clock|cmdline|console_impl|errno|format|interrupts|list|log|log_impl).h) level=0 ;;
        kernel/include/kernel/@(panic|perturb|random|rbtree|realtime|spinlock|string|symbols|trace|types|utsname|version).h) level=0 ;;
        mm/@(frame|init|kmap|kstack|reclaim|slab|tlb).c) level=1 ;;
        mm/include/mm/@(frame|init|kmap|kstack|reclaim|slab|tlb).h) level=1 ;;
        drivers/*) level=2 ;;
        sched/* | kernel/realtime.c | kernel/sync/@(condition|donation|mutex|perturb|semaphore|waitq).c) level=3 ;;
        kernel/include/kernel/@(condition|donation|mutex|poll|semaphore|waitq).h) level=3 ;;
        mm/@(area.h|file_map.c|file_map_calls.c|space.c|user_copy.c) | mm/include/mm/@(file_map|space|user_copy).h) level=4 ;;
        kernel/fs/procfs/* | kernel/loadavg.c | kernel/include/kernel/@(loadavg|procfs).h) level=7 ;;
        kernel/fs/* | kernel/include/kernel/@(cpio|credentials|devfs|device|epoll|file|file_lock|initrd|inotify|kmsg|mount|vnode).h) level=5 ;;
        proc/*) level=6 ;;
        kernel/init.c | kernel/ipi.c | kernel/ipc/* | kernel/net/* | kernel/syscall/* | kernel/tty/*) level=7 ;;
        kernel/include/kernel/@(eventfd|futex|init|pipe|signalfd|socket|test|tty).h) level=7 ;;
        *) level= ;;
    esac
}

# Sets `path` to where an included <HEADER> is, if it is one of the house's own.
path_of() {
    local folder=${1%%/*}
    case $folder in
        abi) path=kernel/include/$1 ;;
        arch_impl | x86) path=arch/x86_64/include/$1 ;;
        arch | drivers | kernel | mm | proc | sched) path=$folder/include/$1 ;;
        *) path= ;;
    esac
}

nr_violations=0

# violation FILE:LINE TEXT
violation() {
    echo "$1: $2"
    nr_violations=$((nr_violations + 1))
}

declare -A is_exception=() is_used=()
while read -r file header _; do
    [[ -n $file ]] && is_exception[$file $header]=yes
done <<<"$exceptions"

# is_excepted FILE HEADER
is_excepted() {
    [[ -n ${is_exception[$1 $2]:-} ]] && is_used[$1 $2]=yes
}

# Headers that lie in an include/ folder, and yet are for their own folder only.
is_private_header() {
    [[ $1 == @(x86|arch_impl)/* || $1 == *_impl.h ]]
}

# check_include FILE LINE HEADER: an #include <HEADER> of a kernel file.
check_include() {
    local file=$1 where=$1:$2 header=$3 from path level
    path_of "$header"
    if [[ -z $path ]]; then
        [[ $header == @(linux|asm|asm-generic)/* ||
            $header == std@(align|arg|atomic|bool|def|int).h ]] ||
            violation "$where" "<$header> is not part of the kernel's world"
        return
    fi
    if [[ $file == sched/classes/* && $header != @(sched/class|kernel/list|kernel/rbtree|kernel/types).h ]]; then
        violation "$where" "a scheduling class may not know <$header>; sched/class.h says what it may"
    fi
    if is_private_header "$header" && [[ ${path%%/*} != "${file%%/*}" ]]; then
        violation "$where" "<$header> is private to ${path%%/*}/"
    fi
    level_of "$file"
    from=$level
    level_of "$path"
    if [[ -z $from ]]; then
        violation "$where" "this file has no level yet: add it to level_of in check-includes.sh"
    elif [[ -z $level ]]; then
        violation "$where" "<$header> has no level yet: add it to level_of in check-includes.sh"
    elif ((level > from)) && ! is_excepted "$file" "$header"; then
        violation "$where" "<$header> is above this file (level $level over $from)"
    fi
}

# A "HEADER" is in the folder of who includes it; xv6's programs write its library's so, too.
check_local_include() {
    [[ $1 == tests/user/xv6/* && $3 != */* && -e userland/xv6/include/$3 ]] && return
    [[ $3 != */* && -e ${1%/*}/$3 ]] ||
        violation "$1:$2" "\"$3\" is not in the same folder; public headers are included as <folder/name.h>"
}

# A program sees the runtime, Linux's ABI and ours, nothing of the kernel.
check_user_include() {
    local path
    path_of "$3"
    [[ -z $path || $3 == abi/* ]] || is_excepted "$1" "$3" ||
        violation "$1:$2" "<$3> belongs to the kernel; programs see only its abi/"
}

check_includes() {
    local file line text header
    while IFS=: read -r file line text; do
        header=${text#*[<\"]}
        header=${header%%[>\"]*}
        if [[ $text == *\"* ]]; then
            check_local_include "$file" "$line" "$header"
        elif [[ $file == @(userland|tests)/* ]]; then
            check_user_include "$file" "$line" "$header"
        else
            check_include "$file" "$line" "$header"
        fi
    done < <(grep -nE '^[[:space:]]*#[[:space:]]*include' /dev/null \
        {arch,drivers,kernel,mm,proc,sched,userland,tests/user}/**/*.[ch])
}

check_cpu_knowledge() {
    local file line text
    while IFS=: read -r file line text; do
        violation "$file:$line" "knowledge of the CPU belongs into arch/: ${text#"${text%%[![:space:]]*}"}"
    done < <(grep -nE "$cpu_macro|$inline_assembly" /dev/null \
        {drivers,kernel,mm,proc,sched,userland,tests}/**/*.[ch])
}

check_exceptions_are_needed() {
    local key
    for key in "${!is_exception[@]}"; do
        [[ -n ${is_used[$key]:-} ]] ||
            violation check-includes.sh "the exception '$key' is not needed any more"
    done
}

# The core is what everybody has to read: the mechanisms. Policies and what changes them at run time,
# drivers, device interrupts, file systems, program files, the start and the bodies of system calls are
# built upon it, and read when wanted; so are the parts of the Linux ABI that need no place within it: signals, credentials,
# maps of files. Comments are free.
readonly not_core='sched/classes/*
sched/control/*
arch/*/boot/*
arch/*/@(ioapic|pic|pit).c
arch/*/describe.c
arch/include/arch/describe.h
arch/*/random.c
arch/*/signal.c
arch/*/vdso*.@(c|asm)
arch/*/vdso/*
arch/*/include/*/vdso.h
arch/include/arch/vdso.h
arch/include/arch/signal.h
mm/area.h
mm/file_map*.c
mm/include/mm/file_map.h
proc/credentials.c
proc/@(elf|image|script).[ch]
proc/@(report|settings|visit).c
proc/signal/*
proc/include/proc/@(elf|image).h
proc/include/proc/report.h
proc/include/proc/@(settings|signal*|timers).h'

check_core_size() {
    local files=() file nr_lines nr_code_lines
    for file in {arch,mm,sched,proc}/**/*.@(c|h|asm) kernel/sync/*.c kernel/syscall/@(dispatch|traps).c \
        kernel/@(log|panic|symbols).c \
        kernel/include/kernel/@(clock|condition|errno|list|log|mutex|panic).h \
        kernel/include/kernel/@(semaphore|spinlock|string|symbols|types|waitq).h; do
        [[ $file == @(${not_core//$'\n'/|}) ]] || files+=("$file")
    done
    nr_lines=$(cat "${files[@]}" | wc -l)
    nr_code_lines=$(awk '
        in_comment { in_comment = !/\*\//; next }
        /^[[:space:]]*\/\*/ { in_comment = !/\*\//; next }
        !/^[[:space:]]*(;|$)/ { n++ }
        END { print n }' "${files[@]}")
    echo "core: $nr_code_lines lines of code (limit $core_lines_max), $nr_lines with comments, in ${#files[@]} files"
    ((nr_code_lines <= core_lines_max)) || violation core "more than $core_lines_max lines of code"
}

check_includes
check_cpu_knowledge
check_exceptions_are_needed
check_core_size

((nr_violations == 0)) && echo "no wall is broken" && exit 0
echo "$nr_violations violations"
exit 1

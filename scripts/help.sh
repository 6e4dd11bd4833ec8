# What `./thrum help` says.

command_help() {
    (($# <= 1)) || usage_error "help: one command at a time"
    case ${1:-} in
        '') help_overview ;;
        run | test | bench | iso | gdb | doctor | cc) "help_$1" ;;
        help) echo "./thrum help [COMMAND]" ;;
        *) usage_error "help: unknown command '$1'" ;;
    esac
}

help_overview() {
    cat <<'TEXT'
Thrum: an operating system about threads and who gets to run next.

  ./thrum run       build the ISO and boot it in QEMU, with this terminal as its console
  ./thrum test      build everything and run all tests
  ./thrum bench     measure what operations cost, beside Linux and the targets
  ./thrum iso       build the ISO, to boot it elsewhere
  ./thrum cc        compile a C program for Thrum
  ./thrum gdb       boot under the debugger
  ./thrum doctor    what is installed, what is missing
  ./thrum help X    more about command X, with examples

What is missing on Debian or Ubuntu is installed on the way. Start with:

  ./thrum run
  ./thrum run --smp 4 --exec "lwpdemo 100"
TEXT
}

help_run() {
    cat <<'TEXT'
./thrum run [OPTIONS] [-- QEMU-OPTIONS]

Builds the ISO if something changed and boots it in QEMU. This terminal is the guest's console.
Ctrl-A X ends QEMU, Ctrl-A C switches to QEMU's monitor and back, Ctrl-C goes to the guest.
It ends at a shell's prompt; Ctrl-D or `poweroff` switches the machine off. Input that is no terminal
is typed there: `echo 'ls /bin' | ./thrum run`.

The program
  --exec "PROGRAM ARGS"   run this as the only job, then power off. ./thrum run ends with its status
  --add HOST[:GUEST]      put a file, or what is in a folder, into the guest, by default into /;
                          may be repeated. The executable bit is kept. Nothing is rebuilt
  --cmdline "TEXT"        more for the kernel command line, such as sched=stride or log=debug
  --timeout S             stop after S seconds

The machine
  --smp N                 CPUs, 1 to 255 (2)
  --mem SIZE              memory, such as 64M or 6G (512M)
  --machine q35|pc        chip set: of 2007 with PCI Express, or of 1996 (q35)
  --firmware bios|uefi    (bios)
  --cpu MODEL             QEMU's name of a CPU model: max, qemu64,-nx ...
  --accel tcg|kvm         emulation, or the host's processor (tcg)
  --icount                one instruction takes one nanosecond, so times are instruction counts;
                          the same run again is the same to the instruction
  --display KIND          none, gtk, sdl, curses or vnc (none)

What to boot
  --preset NAME           the build to boot: release or debug (release)
  --iso FILE              boot this image and build nothing
  --boot cd|disk|card     the image is a CD, a disk as on a USB stick, or an SD card
                          (cd; card with --icount)

Exit status
  the program's own; 128+N where signal N ended it
  124 timed out   125 the kernel panicked   126 the guest never started   130 ended by Ctrl-A X
  2 wrong options   1 the build failed
  The last line on standard error says which it was. All that the guest said is in build/serial.log.

Examples
  ./thrum run --smp 8 --exec "lwpdemo 1000"
  ./thrum run --firmware uefi --machine pc --mem 6G --exec lwpdemo
  ./thrum cc hello.c -o hello && ./thrum run --add hello --exec "/hello world"
  ./thrum run --icount --smp 4 --exec lwpdemo --cmdline log=debug --timeout 60
TEXT
}

help_test() {
    cat <<'TEXT'
./thrum test [OPTIONS] [NAME] [-- CTEST-OPTIONS]

Builds the presets release and debug and runs their tests by ctest: the kernel's algorithms on the
host, test programs in the guest, and the ISO on a table of machines. A failing test shows its
whole output. Results of the guest are checked against what it planned: a test that hangs, panics
or stops early fails.

  NAME             only tests whose name matches this regular expression
  --label LABEL    only tests with this label: host, house, model, guest,
                   machine, tools or slow
  --all            also those with the label slow
  --preset NAME    only this build
  --jobs N         tests at a time (number of CPUs)
  --list           only list them

Examples
  ./thrum test
  ./thrum test uefi
  ./thrum test --label host --preset release
TEXT
}

help_bench() {
    cat <<'TEXT'
./thrum bench [OPTIONS]

Measures what operations cost in instructions, with the release build in a guest with one CPU and
--icount, and prints that beside the target and beside what Linux 6.1 needs in the same emulator.
The ratio says how many times better than Linux. The same image gives the same counts each time.
docs/benchmarks.md says what each row is.

  --row NAME          only this row; may be repeated
  --big               also the rows that need a guest of 6 GiB
  --rtc BASE[,BASE]   the date that the guest starts at (2024-01-01T00:00:00). Counts depend on it a
                      little: with several, the median over one run each is shown
  --json FILE         also write the results to FILE; "-": print them instead of the table
  --short             a fiftieth of the operations: shows that the rows work, not what they cost
  --list              the names of all rows
  --preset NAME  --iso FILE  --cmdline "TEXT"  --timeout S    as in ./thrum run

Examples
  ./thrum bench --row fork_exit_wait --row exec
  ./thrum bench --rtc 2024-01-01T00:00:00,2024-02-02T02:02:02,2024-03-03T03:03:03 --json bench.json
TEXT
}

help_iso() {
    cat <<'TEXT'
./thrum iso [--preset NAME]

Builds the ISO and prints where it is. One image boots under BIOS and UEFI, as a CD and as a disk:

  VirtualBox   a machine of type "Other/Unknown (64-bit)" with the image as its optical drive
  USB stick    as root: cp "$(./thrum iso)" /dev/sdX    (this overwrites the stick)
TEXT
}

help_gdb() {
    cat <<'TEXT'
./thrum gdb [--port N] [OPTIONS OF run]

Boots the debug build under gdb, stopped at arch_boot, the first C function. The serial line goes to a file whose name
is printed; follow it from another terminal with `tail -f`. Without gdb it says how to attach.

  ./thrum gdb --smp 1 --exec "lwpdemo 4"

In gdb: `hbreak FUNCTION` before paging is on, `break FUNCTION` afterwards; `info threads` shows
the CPUs, `thread 2` goes to the second. HACKING.md has more.
TEXT
}

help_cc() {
    cat <<'TEXT'
./thrum cc [--xv6] SOURCE... [-o PROGRAM] [--preset NAME] [CLANG-OPTIONS]

Compiles C for Thrum's native runtime: C17 with <thrum.h>, a small C library and threads. The
program is static and has no host header or library in it.

  --xv6    the source is a user program of xv6 (x86), with "types.h", "stat.h" and "user.h":
           gives it xv6's user library and the thread calls of the courses (docs/xv6.md)

  ./thrum cc hello.c -o hello -Wall
  ./thrum run --add hello --exec /hello
  ./thrum cc --xv6 thread_test.c -o thread_test && ./thrum run --add thread_test --exec /thread_test
TEXT
}

help_doctor() {
    cat <<'TEXT'
./thrum doctor

Shows what Thrum needs, which versions are installed, and how to get what is missing. Ends with 0
when nothing is missing. It installs nothing: ./thrum run and ./thrum test do.
TEXT
}

# What is booted, where, and what has to come of it.

# thrum_suite(NAME...): a suite that reports by KTAP, with the words of thrum_qemu_case: NAME.2cpu in
# the release build; in the debug build, whose checks find mistakes of locking, NAME.1cpu and
# NAME.4cpu, and with the label slow NAME.2cpu and NAME.8cpu.
function(thrum_suite name)
  set(guest 2)
  set(slow)
  if(THRUM_DEBUG)
    set(guest 1 4)
    set(slow 2 8)
  endif()
  foreach(label IN ITEMS guest slow)
    foreach(cpus IN LISTS ${label})
      thrum_qemu_case(${name}.${cpus}cpu CPUS ${cpus} TIMEOUT 240 EXPECT exit=0 ktap
        LABELS ${label} ${ARGN})
    endforeach()
  endforeach()
endfunction()

# Guest suites: programs in /test. tests/user adds to the list.
get_property(suites GLOBAL PROPERTY THRUM_GUEST_SUITES)
foreach(suite IN LISTS suites)
  thrum_suite(guest.${suite} EXEC /test/${suite})
endforeach()

# The same calls here and on the machine that tests.
if(THRUM_LINUX)
  thrum_suite(guest.as_linux ADD ${AS_LINUX}:/as_linux.txt EXEC "/test/as_linux check /as_linux.txt")
endif()

# Priorities that waiters lend show only where a class goes by them.
thrum_suite(guest.t_futex_pi.prio EXEC /test/t_futex_pi CMDLINE sched=prio)

# LWPs on a machine where memory runs out before their numbers do.
thrum_qemu_case(guest.t_lwp.short_of_memory MEMORY 24M EXEC /test/t_lwp TIMEOUT 240
  EXPECT exit=0 ktap LABELS guest)

# Suites inside the kernel; as they are, and with forced rescheduling.
if(THRUM_KERNEL_TESTS)
  thrum_suite(kernel.kthread CMDLINE test=kthread)
  thrum_suite(kernel.control CMDLINE test=control)
  thrum_suite(kernel.turmoil CMDLINE test=turmoil)
  thrum_suite(kernel.donation CMDLINE "test=donation sched=prio")
  if(THRUM_DEBUG)
    thrum_suite(perturb.kthread CMDLINE "test=kthread perturb=11")
    thrum_suite(perturb.control CMDLINE "test=control perturb=12 ktap_fraction=4")
    thrum_suite(perturb.turmoil CMDLINE "test=turmoil perturb=13 ktap_fraction=4")
    thrum_suite(perturb.donation CMDLINE "test=donation sched=prio perturb=14")
  endif()
endif()
if(THRUM_KERNEL_TESTS AND THRUM_DEBUG)
  foreach(row IN ITEMS
      "join_self lwp_current"
      "join_twice was_claimed"
      "join_detached was_claimed"
      "priority priority"
      "unlock mutex_is_held"
      "try_own mutex_is_held"
      "wait_unlocked mutex_is_held"
      "circle waits.for.the.caller"
      "down_in_spinlock irq_is_enabled")
    separate_arguments(cell UNIX_COMMAND ${row})
    list(GET cell 0 misuse)
    list(GET cell 1 text)
    thrum_qemu_case(kernel.misuse.${misuse} CMDLINE test=misuse.${misuse}
      EXPECT panic "text=PANIC.*${text}" LABELS guest)
  endforeach()
endif()

# Forced rescheduling, perturb=SEED: a case that fails names its seed (docs/testing.md says how to
# have the failure again). One seed each always, many under the label soak.
set(THRUM_SOAK_SEEDS 20 CACHE STRING "How many seeds of perturb= the label soak tries")
set(perturbed_suites t_lwp t_fork t_exec t_kill t_cancel t_pipe t_pi_owner t_signal t_stop t_timer
  t_poll t_epoll t_eventfd t_read t_join t_exit t_sigprocess)
if(THRUM_SOCKETS)
  list(APPEND perturbed_suites t_unix t_unix_pass t_unix_wait)
endif()
list(APPEND perturbed_suites t_clone t_mmap t_futex_time)
if(THRUM_SOCKETS)
  list(APPEND perturbed_suites t_splice)
endif()
if(THRUM_DEBUG)
  set(seed 100)
  foreach(suite IN LISTS perturbed_suites)
    foreach(cpus IN ITEMS 1 4)
      math(EXPR seed "${seed} + 1")
      thrum_qemu_case(perturb.${suite}.${cpus}cpu CPUS ${cpus} EXEC /test/${suite} TIMEOUT 120
        CMDLINE "perturb=${seed} ktap_fraction=100" EXPECT exit=0 ktap LABELS guest)
    endforeach()
  endforeach()
  foreach(seed RANGE 1 ${THRUM_SOAK_SEEDS})
    foreach(cpus IN ITEMS 1 2 4 8)
      foreach(suite IN LISTS perturbed_suites)
        thrum_qemu_case(soak.perturb.${suite}.${cpus}cpu.seed${seed} CPUS ${cpus} TIMEOUT 600
          EXEC /test/${suite} CMDLINE "perturb=${seed} ktap_fraction=20" EXPECT exit=0 ktap
          LABELS soak)
      endforeach()
      if(THRUM_KERNEL_TESTS)
        thrum_qemu_case(soak.perturb.kthread.${cpus}cpu.seed${seed} CPUS ${cpus} TIMEOUT 600
          CMDLINE "test=kthread perturb=${seed}" EXPECT exit=0 ktap LABELS soak)
      endif()
    endforeach()
  endforeach()
endif()

# A tree of processes that do everything at once, for minutes; with another seed each time:
# ./thrum run --exec "/test/t_stress SEED ROUNDS".
foreach(row IN ITEMS "1 24M" "2 512M" "4 24M" "4 32M" "4 512M" "8 128M")
  separate_arguments(cell UNIX_COMMAND ${row})
  list(GET cell 0 cpus)
  list(GET cell 1 memory)
  thrum_qemu_case(soak.stress.${cpus}cpu.${memory} CPUS ${cpus} MEMORY ${memory}
    EXEC "/test/t_stress 1 300" TIMEOUT 900 EXPECT exit=0 ktap LABELS soak)
endforeach()

# Random system calls; with another seed each time: ./thrum run --exec "/test/t_fuzz SEED ROUNDS".
thrum_suite(fuzz EXEC "/test/t_fuzz 1 6")
if(THRUM_DEBUG)
  thrum_suite(perturb.fuzz EXEC "/test/t_fuzz 2 6" CMDLINE perturb=15)
endif()
foreach(row IN ITEMS "1 512M" "2 48M" "4 512M" "8 512M")
  separate_arguments(cell UNIX_COMMAND ${row})
  list(GET cell 0 cpus)
  list(GET cell 1 memory)
  foreach(seed RANGE 1000 5000 1000)
    thrum_qemu_case(soak.fuzz.${cpus}cpu.${memory}.seed${seed} CPUS ${cpus} MEMORY ${memory}
      CMDLINE perturb=${seed} EXEC "/test/t_fuzz ${seed} 300" TIMEOUT 1800 EXPECT exit=0 ktap
      LABELS soak)
  endforeach()
endforeach()
thrum_qemu_case(soak.fuzz.each CPUS 2 EXEC "/test/t_fuzz 1 6 each" TIMEOUT 1800
  EXPECT exit=0 ktap LABELS soak)

# Few numbers for processes and LWPs, so that they are used again soon.
foreach(cpus IN ITEMS 1 4)
  thrum_qemu_case(number.${cpus}cpu CPUS ${cpus} CMDLINE tid_max=64 EXEC /test/t_number TIMEOUT 300
    EXPECT exit=0 ktap LABELS guest)
endforeach()

# Thousands of LWPs and processes: all of it on one CPU, a fiftieth on several; the rest is soak.
if(THRUM_DEBUG)
  thrum_qemu_case(many.4cpu CPUS 4 MEMORY 1G EXEC "/test/t_many 700 20 2000" TIMEOUT 400
    EXPECT exit=0 ktap LABELS guest)
else()
  thrum_qemu_case(many.1cpu CPUS 1 MEMORY 1G EXEC "/test/t_many 35000 1000 10000" TIMEOUT 400
    EXPECT exit=0 ktap LABELS guest)
endif()
foreach(cpus IN ITEMS 1 2 4 8)
  thrum_qemu_case(soak.many.${cpus}cpu CPUS ${cpus} MEMORY 6G
    EXEC "/test/t_many 35000 1000 100000" TIMEOUT 3600 EXPECT exit=0 ktap LABELS soak)
endforeach()

# Shares, measured by counted time, so that nothing of the host is in it: 10, 20 and 50 % of a CPU
# within a point, over 10 s on one CPU. Where virtual CPUs are threads of a host that has fewer,
# each is charged for the time that it waits itself; over 10 s that is evened out.
if(THRUM_DEBUG)
  thrum_qemu_case(sched.share.1cpu ICOUNT CPUS 1 EXEC "/test/t_share 3000 1" TIMEOUT 240
    EXPECT exit=0 ktap LABELS guest)
else()
  thrum_qemu_case(sched.share.1cpu ICOUNT CPUS 1 EXEC "/test/t_share 10000 1" TIMEOUT 240
    EXPECT exit=0 ktap LABELS guest)
  thrum_qemu_case(sched.share.4cpu ICOUNT CPUS 4 EXEC "/test/t_share 3000 3" TIMEOUT 240
    EXPECT exit=0 ktap LABELS guest)
endif()
foreach(cpus IN ITEMS 2 4 8)
  thrum_qemu_case(soak.share.icount.${cpus}cpu ICOUNT CPUS ${cpus} EXEC "/test/t_share 10000 3"
    TIMEOUT 600 EXPECT exit=0 ktap LABELS soak)
  thrum_qemu_case(soak.share.${cpus}cpu CPUS ${cpus} EXEC "/test/t_share 30000 3 5" TIMEOUT 600
    EXPECT exit=0 ktap LABELS soak)
endforeach()

# Deadlines beside hogs, by counted time: 2 s, and 20.
thrum_qemu_case(sched.deadline.1cpu ICOUNT CPUS 1 EXEC "/test/t_deadline 40" TIMEOUT 240
  EXPECT exit=0 ktap LABELS guest)
thrum_qemu_case(soak.deadline.1cpu ICOUNT CPUS 1 EXEC "/test/t_deadline 400" TIMEOUT 600
  EXPECT exit=0 ktap LABELS soak)

# The LWPs of a process as one; seconds of the guest are measured.
if(THRUM_DEBUG)
  foreach(cpus IN ITEMS 2 4)
    thrum_qemu_case(sched.scope.${cpus}cpu CPUS ${cpus} EXEC "/test/t_scope 1000" TIMEOUT 240
      EXPECT exit=0 ktap LABELS guest)
  endforeach()
else()
  thrum_qemu_case(sched.scope.1cpu ICOUNT CPUS 1 EXEC "/test/t_scope 1000" TIMEOUT 240
    EXPECT exit=0 ktap LABELS guest)
endif()

# No CPU idles while others have two to run: but for what the host takes, which is more than the 4 ms
# that are promised.
if(THRUM_DEBUG)
  foreach(cpus IN ITEMS 2 4)
    thrum_qemu_case(sched.idle.${cpus}cpu CPUS ${cpus} EXEC "/test/t_idle 1000 100000" TIMEOUT 120
      EXPECT exit=0 ktap LABELS guest)
  endforeach()
endif()

# Switches of the class under 200 busy LWPs, every 10 ms: twice for 1 s, and twice for 10.
thrum_suite(sched.switch EXEC "/test/t_switch 100")
foreach(cpus IN ITEMS 1 2 4 8)
  thrum_qemu_case(soak.switch.${cpus}cpu CPUS ${cpus} EXEC "/test/t_switch 1000" TIMEOUT 600
    EXPECT exit=0 ktap LABELS soak)
endforeach()

if(THRUM_DEBUG)
  return()
endif()

# The demonstration, which checks itself, on the machine table: each value of each column stands
# with many values of the others.
set(DEMO_OK exit=0 text=verified)
foreach(row IN ITEMS
    "q35 bios 1 24M"
    "pc  bios 2 24M"
    "pc  bios 1 128M"
    "q35 bios 4 128M"
    "q35 bios 2 512M"
    "pc  bios 8 512M"
    "q35 bios 1 4G"
    "pc  bios 4 4G"
    "q35 bios 8 6G"
    "pc  bios 2 6G"
    "q35 uefi 2 128M"
    "pc  uefi 1 512M"
    "q35 uefi 4 512M"
    "pc  uefi 2 4G"
    "q35 uefi 8 6G")
  separate_arguments(cell UNIX_COMMAND ${row})
  list(GET cell 0 machine)
  list(GET cell 1 firmware)
  list(GET cell 2 cpus)
  list(GET cell 3 memory)
  thrum_qemu_case(machine.${machine}.${firmware}.${cpus}cpu.${memory}
    MACHINE ${machine} FIRMWARE ${firmware} CPUS ${cpus} MEMORY ${memory} TIMEOUT 90
    EXPECT ${DEMO_OK})
endforeach()

# The same image written to a disk.
thrum_qemu_case(machine.disk.bios BOOT disk EXPECT ${DEMO_OK})
thrum_qemu_case(machine.disk.uefi BOOT disk FIRMWARE uefi TIMEOUT 90 EXPECT ${DEMO_OK})

# Processors: with everything that QEMU emulates, with the least, and with too little.
thrum_qemu_case(cpu.max CPU max EXPECT ${DEMO_OK})
thrum_qemu_case(cpu.plain CPU qemu64 EXPECT ${DEMO_OK})
thrum_qemu_case(cpu.core2 CPU core2duo EXPECT ${DEMO_OK})
thrum_qemu_case(cpu.few_leaves CPU max,level=4 EXPECT ${DEMO_OK})
thrum_qemu_case(cpu.no_nx CPU qemu64,-nx EXPECT refused=NX "screen=Thrum cannot run here.*NX")
thrum_qemu_case(cpu.no_long_mode CPU qemu64,-lm
  EXPECT "refused=long mode" "screen=Thrum cannot run here.*long mode")
thrum_qemu_case(cpu.32bit CPU qemu32
  EXPECT "refused=long mode" "screen=Thrum cannot run here.*long mode")

# Machines with parts missing. Without ACPI there is no way to switch the machine off.
thrum_qemu_case(machine.no_acpi MACHINE pc,acpi=off EXPECT ${DEMO_OK} no-power-off)
thrum_qemu_case(machine.no_hpet MACHINE q35,hpet=off EXPECT ${DEMO_OK})

# Machines that lie, and machines with more than the kernel can use.
thrum_qemu_case(machine.wild_hpet MACHINE q35,hpet=off EXPECT ${DEMO_OK} "text=clock: .*PM timer"
  QEMU -acpitable sig=HPET,rev=1,data=${BAD_DIR}/wild-hpet)
thrum_qemu_case(machine.66cpu CPUS 66 EXPECT ${DEMO_OK} "text=one too many" "text=smp: 64 CPUs")

# What strikes from outside, whatever the kernel is doing.
set(until_struck EXEC /test/t_proc)
set(for_ever EXEC "lwpdemo 10000")
if(THRUM_LINUX) # they go on until it has struck, however late that is
  set(until_struck ADD ${CMAKE_CURRENT_SOURCE_DIR}/until-struck.sh:/until-struck.sh
    EXEC "sh /until-struck.sh /test/t_proc")
  set(for_ever EXEC "sh -c 'yes lwpdemo | sh'")
endif()
string(REPEAT "nmi;" 40 nmis)
thrum_qemu_case(strike.nmi CPUS 4 ${until_struck} MONITOR ${nmis}
  EXPECT exit=0 ktap "text=non-maskable interrupt")
thrum_qemu_case(strike.machine_check ${for_ever}
  MONITOR "mce 1 1 0xbe00000000000005 0x5 0x1234000 0x8c"
  EXPECT panic "text=PANIC on CPU 1.*machine check" "text=CPU 0 was at")

# Counted time: everything happens in the same order each time (tools.replay checks that).
thrum_qemu_case(icount.1cpu ICOUNT CPUS 1 EXPECT ${DEMO_OK})
thrum_qemu_case(icount.4cpu ICOUNT CPUS 4 EXEC "lwpdemo 100" TIMEOUT 120 EXPECT ${DEMO_OK})
# Idle CPUs that look for work which may not come to them, while others want to give it away.
thrum_qemu_case(icount.affinity ICOUNT CPUS 4 TIMEOUT 120
  EXEC "schedtop -b -d 0.1 -n 1 schedctl run affinity=0-1 lwpdemo 12"
  EXPECT exit=0 "text=CPU   BUSY   RUNNABLE")

# The command line, and how a program's end reaches the world outside.
thrum_qemu_case(run.many_lwps CPUS 4 EXEC "lwpdemo 1000" TIMEOUT 120 EXPECT ${DEMO_OK})
thrum_qemu_case(run.status EXEC "/test/t_proc exit-with 7" EXPECT exit=7)
thrum_qemu_case(run.signal EXEC "/test/t_memory read-null" EXPECT signal=11)
thrum_qemu_case(run.bad_argument EXEC "lwpdemo none" EXPECT exit=2 "text=not a number")
thrum_qemu_case(run.no_such_program EXEC /bin/none EXPECT exit=127 "text=cannot run /bin/none")
thrum_qemu_case(run.text_as_program ADD ${CMAKE_SOURCE_DIR}/README.md:/bin/text EXEC text
  EXPECT exit=127 "text=cannot run /bin/text")
foreach(policy IN ITEMS rr mlfq stride eevdf)
  thrum_qemu_case(run.sched_${policy} CMDLINE sched=${policy} EXPECT ${DEMO_OK})
endforeach()
thrum_qemu_case(run.preset_lwp CMDLINE mlfq.preset=lwp EXEC "schedctl show 2"
  EXPECT exit=0 "text=class mlfq" "text=^scope +process")
thrum_qemu_case(run.nonsense_cmdline
  CMDLINE "sched=nonsense cpus=-1 log==== =x unknown \"not closed" EXPECT ${DEMO_OK})
thrum_qemu_case(run.unknown_class CMDLINE sched=nonsense
  EXPECT ${DEMO_OK} "text=there is no class 'nonsense'")
thrum_qemu_case(run.one_cpu_of_four CPUS 4 CMDLINE cpus=1 EXPECT ${DEMO_OK})

# Two names of one file in an archive, where only the last has the data.
foreach(name IN ITEMS first last)
  thrum_qemu_case(run.linked_${name} EXEC "/bin/${name} 16" EXPECT ${DEMO_OK}
    QEMU -fw_cfg name=opt/thrum/overlay.cpio,file=${BAD_DIR}/linked.cpio)
endforeach()

# Memory runs out: whoever needs it then is ended, and never the first process.
thrum_qemu_case(memory.used_up MEMORY 64M EXEC "/test/t_memory eat-memory"
  EXPECT signal=9 "text=out of memory: ")
thrum_qemu_case(memory.used_up_around_init MEMORY 64M CMDLINE init=/test/poor_init
  EXPECT exit=0 "text=out of memory: ")

# What the boot loader hands over is broken: said in words, and nothing hangs in silence.
set(NO_INIT panic "text=init: /bin/init cannot be started")
thrum_qemu_case(bad.no_initrd ISO ${BAD_DIR}/no-initrd.iso EXPECT ${NO_INIT})
thrum_qemu_case(bad.text_as_initrd ISO ${BAD_DIR}/text-initrd.iso EXPECT ${NO_INIT} text=initrd:)
thrum_qemu_case(bad.short_initrd ISO ${BAD_DIR}/short-initrd.iso EXPECT ${NO_INIT} text=initrd:)
thrum_qemu_case(bad.text_as_init ADD ${CMAKE_SOURCE_DIR}/README.md:/bin/init EXPECT ${NO_INIT})
thrum_qemu_case(bad.init_below_a_file CMDLINE init=/bin/init/x
  EXPECT panic "text=init: /bin/init/x cannot be started .a part of the path is no folder")
# The trace: printed at a panic, and by a program; what makes no sense is said.
thrum_qemu_case(panic.shows_the_trace CPUS 2 CMDLINE "init=/bin/init/x trace=all"
  EXPECT panic "text=CPU 0's last events" "text=: -1 create 0" "text=: 0 switch to -1, idle")
thrum_qemu_case(run.tracedump CPUS 2 EXEC "/bin/tracedump -e create,switch,syscall lwpdemo 4"
  EXPECT ${DEMO_OK} "text=create  by 2, in process 3" "text=switch  to 3, "
  "text=syscall 1024 .0x")
thrum_qemu_case(run.tracedump_fails EXEC "/bin/tracedump /no/such/program" EXPECT exit=127
  "text=tracedump: /no/such/program: ")
thrum_qemu_case(run.tracedump_misused EXEC "/bin/tracedump -e walk lwpdemo" EXPECT exit=2
  "text=tracedump: -e walk: no such event")
thrum_qemu_case(bad.trace CMDLINE "trace=switch,walk" EXEC "/bin/lwpdemo 4"
  EXPECT ${DEMO_OK} "text=cmdline: trace=switch,walk: there are switch, wake, ")
thrum_qemu_case(bad.short_init ADD ${BAD_DIR}/short-init:/bin/init EXPECT ${NO_INIT})

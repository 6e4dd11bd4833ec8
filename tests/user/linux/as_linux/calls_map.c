/* Mapping files, and touching the maps. */

#define _GNU_SOURCE

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "as_linux.h"

#define NR_MAPS 4

static struct {
    uint8_t *at;
    size_t nr_bytes;
    bool is_private; /* then it is left open when changes of the file are seen in it */
} maps[NR_MAPS];

static sigjmp_buf from_fault;
static volatile int fault_signal, fault_code;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    fault_signal = signal;
    fault_code = info->si_code;
    siglongjmp(from_fault, 1);
}

void catch_faults(void)
{
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

    sigaction(SIGBUS, &fault, NULL);
    sigaction(SIGSEGV, &fault, NULL);
}

static void do_touch(unsigned slot)
{
    size_t at = any((unsigned)maps[slot].nr_bytes);
    volatile uint8_t *byte = maps[slot].at + at;
    bool is_write = chance(50);
    uint8_t value = (uint8_t)any(256);

    tell("%s map %u at %zu", is_write ? "write" : "read", slot, at);
    if (sigsetjmp(from_fault, 1) != 0) {
        tell(" = signal %d code %d", fault_signal, fault_code);
        return;
    }
    if (is_write)
        *byte = value;
    else
        tell(" = %d", maps[slot].is_private ? *byte * 0 : *byte);
    if (is_write)
        tell(" = ok");
}

void do_map(void)
{
    unsigned slot = any(NR_MAPS);
    size_t at;

    if (are_pages_told()) {
        tell("no mapping");
        return;
    }
    if (maps[slot].at == NULL) {
        static const int kinds[] = {MAP_SHARED, MAP_SHARED, MAP_PRIVATE, MAP_PRIVATE, 3, 0};
        int prot = chance(70) ? PROT_READ | PROT_WRITE : (int)any(8);
        int kind = kinds[any(LEN(kinds))];
        size_t length = chance(5) ? 0 : 1 + any(5 * PAGE);

        tell("mmap(%zu, %d, %d, ", length, prot, kind);
        int fd = any_fd();
        tell(", ");
        int64_t offset = chance(60) || kind == 0 ? 0 : any_offset();
        if (offset < 0)
            offset = 1;
        tell(")");
        void *map = (void *)syscall(SYS_mmap, NULL, length, prot, kind, fd, offset);
        if (map == MAP_FAILED) {
            tell(" = errno %d", errno);
            return;
        }
        tell(" = map %u", slot);
        maps[slot].at = map;
        maps[slot].nr_bytes = length;
        maps[slot].is_private = kind == MAP_PRIVATE;
        return;
    }
    switch (any(14)) {
    case 0:
        tell("munmap(map %u)", slot);
        CALL(SYS_munmap, maps[slot].at, maps[slot].nr_bytes);
        maps[slot].at = NULL;
        return;
    case 1: {
        int prot = (int)any(4);
        tell("mprotect(map %u, %d)", slot, prot);
        CALL(SYS_mprotect, maps[slot].at, maps[slot].nr_bytes, prot);
        return;
    }
    case 2: {
        int flags = (int)any(8);
        tell("msync(map %u, %d)", slot, flags);
        CALL(SYS_msync, maps[slot].at, maps[slot].nr_bytes, flags);
        return;
    }
    case 3: {
        size_t length = 1 + any(6 * PAGE);
        tell("mremap(map %u, %zu)", slot, length);
        void *map =
            (void *)syscall(SYS_mremap, maps[slot].at, maps[slot].nr_bytes, length, MREMAP_MAYMOVE);
        if (map == MAP_FAILED) {
            tell(" = errno %d", errno);
        } else {
            tell(" = ok");
            maps[slot].at = map;
            maps[slot].nr_bytes = length;
        }
        return;
    }
    case 4: {
        static const int advices[] = {MADV_NORMAL, MADV_DONTNEED, MADV_WILLNEED, MADV_DONTNEED};
        int advice = advices[any(LEN(advices))];
        tell("madvise(map %u, %d)", slot, advice);
        CALL(SYS_madvise, maps[slot].at, maps[slot].nr_bytes, advice);
        return;
    }
    case 5: {
        size_t length = any((unsigned)maps[slot].nr_bytes + 1);
        tell("write(");
        int fd = any_fd();
        tell(", map %u, %zu)", slot, length);
        if (is_filled_pipe(fd) || !has_bytes(fd, length) || maps[slot].is_private)
            return;
        CALL(SYS_write, fd, maps[slot].at, length);
        return;
    }
    case 6: {
        size_t length = any((unsigned)maps[slot].nr_bytes + 1);
        tell("pread(");
        int fd = any_fd();
        tell(", map %u, %zu, 0)", slot, length);
        CALL(SYS_pread64, fd, maps[slot].at, length, 0);
        return;
    }
    case 7:
        at = maps[slot].nr_bytes;
        tell("hash of map %u", slot);
        if (sigsetjmp(from_fault, 1) != 0)
            tell(" = signal %d code %d", fault_signal, fault_code);
        else
            tell(" = %08x", hash(maps[slot].at, at, 0) * !maps[slot].is_private);
        return;
    default:
        do_touch(slot);
    }
}

void unmap_all(void)
{
    for (unsigned i = 0; i < NR_MAPS; i++) {
        if (maps[i].at != NULL)
            munmap(maps[i].at, maps[i].nr_bytes);
        maps[i].at = NULL;
    }
}

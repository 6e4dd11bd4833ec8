/* Locks of files. */

#define _GNU_SOURCE

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "as_linux.h"

static int process_of(pid_t pid)
{
    for (int i = 0; i < NR_PROCESSES; i++)
        if (play->pid[i] == pid)
            return i;
    return (int)pid == -1 ? -1 : 99;
}

void do_lock(void)
{
    static const int commands[] = {F_SETLK, F_SETLK, F_GETLK, F_OFD_SETLK, F_OFD_GETLK};
    struct flock lock;

    /* As long as a file is mapped, it may keep the locks that it was opened for. */
    if (are_pages_told() && chance(20)) {
        static const int operations[] = {LOCK_SH, LOCK_EX, LOCK_UN, 0, LOCK_SH | LOCK_EX};
        int operation = operations[any(LEN(operations))] | LOCK_NB;
        tell("flock(");
        int fd = any_fd();
        tell(", %d)", operation);
        CALL(SYS_flock, fd, operation);
        return;
    }
    int command = commands[any(are_pages_told() ? LEN(commands) : 3)];
    tell("fcntl(");
    int fd = any_fd();
    memset(&lock, 0, sizeof(lock));
    lock.l_type = (short)any(chance(3) ? 5 : 3);
    if (command == F_OFD_GETLK && lock.l_type == F_UNLCK)
        lock.l_type = F_RDLCK; /* that asks for the locks of one's own, since Linux 6.5 */
    lock.l_whence = (short)any(chance(3) ? 5 : 3);
    if (is_dir(fd) && lock.l_whence == SEEK_END)
        lock.l_whence = SEEK_SET;
    tell(", lock %d, %d, %d, ", command, lock.l_type, lock.l_whence);
    lock.l_start = any_offset();
    tell(", ");
    lock.l_len = chance(30) ? -(int64_t)any(9000) : chance(30) ? 0 : (int64_t)any(9000);
    lock.l_pid = chance(2) ? 1 : 0;
    tell("%ld, %d)", (long)lock.l_len, lock.l_pid);
    if (CALL_OK(SYS_fcntl, fd, command, chance(2) ? (void *)outside : &lock) &&
        (command == F_GETLK || command == F_OFD_GETLK)) {
        tell(" type %d", lock.l_type);
        if (lock.l_type != F_UNLCK)
            tell(" whence %d %ld %ld process %d", lock.l_whence, (long)lock.l_start,
                 (long)lock.l_len, process_of(lock.l_pid));
    }
}

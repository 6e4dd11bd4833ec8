#ifndef KERNEL_FS_PROCFS_H
#define KERNEL_FS_PROCFS_H

/* What the files of procfs share: procfs.c has the theory. */

#include <kernel/file.h>
#include <kernel/types.h>
#include <kernel/vnode.h>
#include <proc/report.h>

struct procfs_text;
struct procfs_node;

/*
 * One name in a folder. What it is follows from what is set: a folder has `dir`; a link `readlink`;
 * a file `show`, or ops of its own.
 */
struct procfs_entry {
    const char *name;
    uint32_t permissions;
    bool is_private; /* only for who may look into the process (procfs_may_look()) */

    const struct procfs_dir *dir;

    /* The whole text of a file. It may be called several times for one text. 0 or -errno. */
    int (*show)(struct procfs_text *text, const struct procfs_node *node);
    /* `text` has a NUL; newlines at its end are gone. 0 or -errno. NULL: read-only. */
    int (*write)(const struct procfs_node *node, const char *text);
    const struct file_ops *file_ops;
    int (*open)(struct file *file); /* with file_ops; NULL: nothing to do. 0 or -errno */

    int64_t (*readlink)(const struct procfs_node *node, char *target, size_t nr_bytes);
    int (*follow)(const struct procfs_node *node, struct inode **target);
};

/* What number a folder's numbered entries have. */
enum procfs_numbered { PROCFS_PID, PROCFS_TID, PROCFS_FD, PROCFS_CPU };

struct procfs_dir {
    const struct procfs_entry *entries;
    size_t nr_entries;
    /* Entries called by numbers, behind what numbered->name says; NULL: there are none. */
    const struct procfs_entry *numbered;
    enum procfs_numbered number_is;
    /* The least number from `from` on that there is; -1: none. */
    int (*next_number)(const struct procfs_node *dir, int from);
};

struct procfs_node {
    struct inode inode;
    const struct procfs_entry *entry; /* c */
    struct procfs_node *parent;       /* c  a reference; the root's is itself, without one */
    int number[PROCFS_CPU + 1];       /* c  of what it belongs to; 0: of none; PROCFS_* */
};

static inline int procfs_pid(const struct procfs_node *node)
{
    return node->number[PROCFS_PID];
}

/* 0: the whole process is meant. */
static inline int procfs_tid(const struct procfs_node *node)
{
    return node->number[PROCFS_TID];
}

/* A text that grows. What does not fit any more is left out, and the text is made anew. */
struct procfs_text {
    char *bytes;
    size_t nr_bytes, capacity;
    bool is_full;
};

void procfs_print(struct procfs_text *text, const char *fmt, ...) PRINTF_LIKE(2, 3);
void procfs_append(struct procfs_text *text, const char *bytes, size_t nr_bytes);

/* For readlink functions: as much of a string as fits, without its NUL; how much that is. */
int64_t procfs_copy_target(char *target, size_t nr_bytes, const char *text);

/* A mask of CPUs as Linux prints one: "f" or "0-3". */
void procfs_print_mask(struct procfs_text *text, uint64_t mask);
void procfs_print_list(struct procfs_text *text, uint64_t mask);

/* Whether the caller may look into the process (its memory, files, environment). 0, -EACCES,
 * -ESRCH. */
int procfs_may_look(int pid) MUST_CHECK;

extern const struct file_ops procfs_text_ops;                    /* text.c */
extern const struct procfs_entry procfs_pid_entry;               /* process.c */
extern const struct procfs_dir procfs_fd_dir, procfs_fdinfo_dir; /* links.c */
extern const struct procfs_dir procfs_sys_dir;                   /* sys.c */

/* What some folders' tables name: process_text.c, memory.c, links.c, machine.c, sched.c. */
#define PROCFS_SHOW(name) int name(struct procfs_text *text, const struct procfs_node *node)
#define PROCFS_READLINK(name)                                                                      \
    int64_t name(const struct procfs_node *node, char *target, size_t nr_bytes)
#define PROCFS_FOLLOW(name) int name(const struct procfs_node *node, struct inode **target)

PROCFS_SHOW(procfs_show_stat);
PROCFS_SHOW(procfs_show_status);
PROCFS_SHOW(procfs_show_schedstat);
PROCFS_SHOW(procfs_show_limits);
PROCFS_SHOW(procfs_show_oom_score);
PROCFS_SHOW(procfs_show_oom_score_adj);
int procfs_write_oom_score_adj(const struct procfs_node *node, const char *text);
PROCFS_SHOW(procfs_show_personality);
PROCFS_SHOW(procfs_show_wchan);
PROCFS_SHOW(procfs_show_comm);
int procfs_write_comm(const struct procfs_node *node, const char *name);

PROCFS_SHOW(procfs_show_statm);
PROCFS_SHOW(procfs_show_cmdline);
PROCFS_SHOW(procfs_show_environ);
PROCFS_SHOW(procfs_show_auxv);
PROCFS_SHOW(procfs_show_maps);

PROCFS_SHOW(procfs_show_mounts);
PROCFS_SHOW(procfs_show_mountinfo);
PROCFS_READLINK(procfs_readlink_exe);
PROCFS_READLINK(procfs_readlink_cwd);
PROCFS_READLINK(procfs_readlink_root);
PROCFS_FOLLOW(procfs_follow_exe);
PROCFS_FOLLOW(procfs_follow_cwd);
PROCFS_FOLLOW(procfs_follow_root);

PROCFS_SHOW(procfs_show_cpuinfo);
PROCFS_SHOW(procfs_show_interrupts);
PROCFS_SHOW(procfs_show_system_stat);

PROCFS_SHOW(procfs_show_sched);
PROCFS_SHOW(procfs_show_lwp_sched);
extern const struct file_ops procfs_trace_ops;
int procfs_open_trace(struct file *file);

/* What memory a process has, in pages; 0 when it has none any more. */
struct procfs_memory {
    uint64_t nr_pages, nr_resident, nr_shared, nr_text, nr_data, nr_stack, nr_locked;
    uint64_t brk_start, brk_end;
};

void procfs_read_memory(int pid, struct procfs_memory *memory);

/* Clock ticks of /proc, 100 a second. */
uint64_t procfs_ticks(uint64_t duration_ns);

#endif

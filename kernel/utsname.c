/* The names of the system: kernel/version.h has those that never change. */

#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <kernel/utsname.h>
#include <kernel/version.h>

static struct spinlock lock = SPINLOCK_INIT("utsname", LOCK_RANK_UTSNAME);

static struct new_utsname names = {
    .sysname = KERNEL_SYSNAME,
    .nodename = "thrum",
    .release = KERNEL_RELEASE,
    .version = KERNEL_BUILD,
    .machine = KERNEL_MACHINE,
    .domainname = "(none)",
};

void utsname_get(struct new_utsname *name)
{
    irq_state_t irq = spin_lock_irq(&lock);

    *name = names;
    spin_unlock_irq(&lock, irq);
}

static void set(char field[__NEW_UTS_LEN + 1], const char *name)
{
    irq_state_t irq = spin_lock_irq(&lock);

    memset(field, 0, __NEW_UTS_LEN + 1);
    strlcpy(field, name, __NEW_UTS_LEN + 1);
    spin_unlock_irq(&lock, irq);
}

void utsname_set_host(const char *name)
{
    set(names.nodename, name);
}

void utsname_set_domain(const char *name)
{
    set(names.domainname, name);
}

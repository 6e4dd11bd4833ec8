/* schedctl help: what can be done, why one would, and how it looks. */

#include <stdio.h>
#include <string.h>

#include "schedctl.h"

static const char overview[] =
    "schedctl: look at scheduling, and change it while the system runs\n"
    "\n"
    "  schedctl list [lwps|cpus|groups|classes|tunables]\n"
    "  schedctl show TID                       all about one LWP\n"
    "  schedctl set TID KEY=VALUE...           nice, priority, tickets, affinity, scope, group,\n"
    "                                          share, runtime, deadline, period\n"
    "  schedctl share TID PERCENT              guarantee it that much of one CPU; 0: no more\n"
    "  schedctl class NAME                     another policy for everybody\n"
    "  schedctl group create CLASS PERCENT     a group under a policy of its own\n"
    "  schedctl group destroy GROUP\n"
    "  schedctl join TID GROUP                 move an LWP; group 0 is the default group\n"
    "  schedctl tune [GROUP.]NAME=VALUE...     the numbers of a group's policy\n"
    "  schedctl preset [GROUP.]NAME            all of them at once\n"
    "  schedctl run [KEY=VALUE...] COMMAND     start a program with such settings\n"
    "  schedctl help TOPIC                     classes, groups, shares, scope, settings,\n"
    "                                          affinity, edf, tunables\n"
    "\n"
    "An LWP is what runs: a process has one or more, each with a number (TID); the first\n"
    "one's number is the process's. You may change your own processes' LWPs: those of your\n"
    "session and of your descendants. schedtop shows who uses the CPUs.\n";

static const char classes[] =
    "A class is a policy: it says which LWP of its queue runs next, and for how long. Most\n"
    "LWPs are in the default group (number 0), which has one class for all. Which classes\n"
    "there are, and what the default group has:\n"
    "\n"
    "  schedctl list classes\n"
    "  schedctl list groups\n"
    "\n"
    "Go over to another one, with everything that is queued, while it all runs:\n"
    "\n"
    "  schedctl class rr\n"
    "\n"
    "A class uses what it understands of an LWP's settings: nice, tickets, priority, or\n"
    "runtime and period ('schedctl help settings'). Some are not for everybody, and live in\n"
    "groups of their own ('schedctl help groups').\n";

static const char groups[] =
    "A group is a set of LWPs under a class of its own, with a share of every CPU. What the\n"
    "group does not use, others get.\n"
    "\n"
    "  schedctl group create prio 30     prints the new group's number, say 1\n"
    "  schedctl join 17 1                LWP 17 goes there\n"
    "  schedctl set 17 priority=50\n"
    "  schedctl join 17 0                and back to the default group\n"
    "  schedctl group destroy 1          when nobody is in it any more\n"
    "\n"
    "New LWPs are in their creator's group. All groups and shares together get at most 80 %\n"
    "of a CPU: the default group always has 20 % left.\n";

static const char shares[] =
    "A share is a guarantee for one LWP: so many percent of one CPU, however busy the others\n"
    "are. It is kept outside of all groups, and what it does not use, others get.\n"
    "\n"
    "  schedctl share 17 20              20 % of a CPU for LWP 17\n"
    "  schedctl share 17 0               no guarantee any more\n"
    "  schedctl run share=50 lwpdemo     the first LWP of a new program\n"
    "\n"
    "The CPU that has promised least gives it, and the LWP stays there. On no CPU are more\n"
    "than 80 % promised; 'schedctl list cpus' shows how much is. A share is the LWP's own:\n"
    "what it forks or creates has none. It survives exec.\n";

static const char scope[] =
    "The scope says whom an LWP competes with (POSIX: contention scope).\n"
    "\n"
    "  system    each LWP of the process is scheduled on its own. Four busy LWPs get four\n"
    "            turns where a process with one gets one, and run on four CPUs at once.\n"
    "  process   the process's LWPs share one place: one turn, one level, one share. They\n"
    "            take turns within it, on one CPU at a time.\n"
    "\n"
    "  schedctl set 17 scope=process     all LWPs of the process of LWP 17\n"
    "  schedctl run scope=process lwpdemo 8\n"
    "\n"
    "Shares and deadlines that LWPs of the process had are given back.\n";

static const char settings[] =
    "Settings of an LWP, for 'schedctl set TID KEY=VALUE...' and 'schedctl run':\n"
    "\n"
    "  nice=N        -20 (favoured) to 19: for classes that weigh by niceness\n"
    "  priority=N    0 (lowest) to 63: for classes of fixed priorities\n"
    "  tickets=N     1 to 65536; 100 unless said: for proportional classes\n"
    "  runtime=, deadline=, period=      see 'schedctl help edf'\n"
    "  affinity=LIST see 'schedctl help affinity'\n"
    "  scope=, group=, share=            see the topics of these names\n"
    "\n"
    "  schedctl set 17 nice=10 affinity=0-1\n"
    "  schedctl run tickets=300 lwpdemo 4\n"
    "\n"
    "All values are read before anything is done. Then parameters come first, affinity,\n"
    "scope, group and share after them; what was done before one fails stays done.\n";

static const char affinity[] =
    "The affinity is the set of CPUs that an LWP may run on.\n"
    "\n"
    "  schedctl set 17 affinity=2        only on CPU 2\n"
    "  schedctl set 17 affinity=0,2-3    on CPUs 0, 2 and 3\n"
    "  schedctl set 17 affinity=all\n"
    "  schedctl run affinity=0 lwpdemo 8 new LWPs and processes have their creator's\n"
    "\n"
    "At least one of them has to exist. An LWP with a share or a deadline can only go where\n"
    "there is room for that.\n";

static const char edf[] =
    "edf (earliest deadline first) is for work that comes in periods and has to be done in\n"
    "time. An LWP asks for a runtime in every period, done by a deadline; the class lets it\n"
    "in only if it can promise that beside what it has promised already.\n"
    "\n"
    "  schedctl group create edf 50      half of every CPU for such LWPs: group 1, say\n"
    "  schedctl set 17 runtime=5ms deadline=20ms period=50ms group=1\n"
    "  schedctl run runtime=2ms deadline=10ms period=10ms group=1 lwpdemo\n"
    "\n"
    "Times have a unit: ns, us, ms or s; runtime <= deadline <= period. Who uses more than\n"
    "its runtime waits for its next period, and hurts nobody else. 'set TID group=0' gives\n"
    "the promise back.\n";

static const char tunables[] =
    "Tunables are a class's numbers: quanta, levels, periods. Each group has its own values.\n"
    "\n"
    "  schedctl list tunables            what they are, now and at the start, and their range\n"
    "  schedctl tune quantum0=2          of the default group\n"
    "  schedctl tune 1.quantum_us=500    of group 1\n"
    "  schedctl preset process           all of them, by name (schedctl list classes)\n";

static const struct {
    const char *name, *text;
} topics[] = {
    {"classes", classes},   {"class", classes}, {"groups", groups},     {"group", groups},
    {"shares", shares},     {"share", shares},  {"scope", scope},       {"settings", settings},
    {"set", settings},      {"run", settings},  {"affinity", affinity}, {"edf", edf},
    {"tunables", tunables}, {"tune", tunables}, {"preset", tunables},   {"presets", tunables},
};

bool print_help(const char *topic)
{
    if (!topic) {
        fputs(overview, stdout);
        return true;
    }
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        if (strcmp(topics[i].name, topic) == 0) {
            fputs(topics[i].text, stdout);
            return true;
        }
    }
    return false;
}

#!/usr/bin/env python3
"""A person's first ten minutes: types at the prompt of `./thrum run`, and looks at the screen.

    test-shell.py THRUM ISO LOG [ARGUMENT of ./thrum run]...

Prints TAP. LOG is everything that came out.
"""

import os
import random
import re
import sys

from terminal import Late, Terminal

PROMPT = r"\S* [$#] $"
LOOP = "sh -c 'echo begun; while :; do :; done'"
# Says whenever it goes on in the foreground, as its group's being the terminal's shows.
FOREGROUND_LOOP = """sh -c 'trap "read -r p c s u group n t front rest </proc/$$/stat;
 test \\$group = \\$front && echo ahead" CONT; echo begun; while :; do :; done'""".replace("\n", "")
# The shell waits for a line. Who is within `echo` does not sleep.
READ = "(until grep -q '^State:.S' /proc/$$/status; do :; done; echo begun) & read line"
ROWS, COLUMNS = 30, 90
LEFT, UP = "\x1b[D", "\x1b[A"
# Takes back what is in the line, which may be the answer that says where the cursor is: the shell
# takes it for text, as any sequence (Terminal.press), if it comes in parts.
CLEAR = "\x15"


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


class Shell(Terminal):
    def wait_for_prompt(self):
        """The shell has asked where the cursor is, too: the answer comes before what is typed next."""
        self.wait_until(
            lambda: self.raw.endswith("\x1b[6n") and re.search(PROMPT, self.new_text()),
            "there is no prompt")

    def run(self, command):
        """Runs a command line; what it prints."""
        return self.finish(CLEAR + command + "\r")

    def finish(self, keys):
        """Types the end of a command line; what it prints."""
        self.type(keys)
        self.wait_for(r"\n")
        self.wait_for_prompt()
        return re.sub(PROMPT, "", self.new_text().split("\n", 1)[1]).rstrip("\n")

    def begin(self, command):
        """Begins a command line that prints a line `begun`; the shell has let go of the terminal by then."""
        self.type(CLEAR + command + "\r")
        self.wait_for(r"\nbegun\n")


def greeting(shell):
    shell.wait_for_prompt()
    check("Ctrl-D or poweroff" in shell.raw, "the greeting does not say how to end")


def commands(shell):
    output = shell.run("echo one two")
    check(output == "one two", f"echo printed {output!r}")
    output = shell.run("tty")
    check(output.startswith("/dev/"), f"tty says {output!r}")


def window_size(shell):
    output = shell.run("stty size")
    check(output == f"{ROWS} {COLUMNS}", f"stty size says {output!r}")
    shell.run("stty rows 31 cols 91")
    output = shell.run("stty size")
    check(output == "31 91", f"stty size says {output!r} after a change")
    shell.run(f"stty rows {ROWS} cols {COLUMNS}")


def window_size_asked(shell):
    """`resize` waits 3 s for the answer. One that comes later is the shell's, and said nothing."""
    for _ in range(5):
        shell.run("stty rows 10 cols 40")
        shell.run("resize")
        output = shell.run("stty size")
        if output != "10 40":
            break
    check(output == f"{ROWS} {COLUMNS}", f"after resize, stty size says {output!r}")


def places(shell):
    """What a person, or a script, takes for granted."""
    output = shell.run("ls -d /etc/hosts /mnt /run /tmp /usr/bin/env /var/log /var/run/. /var/tmp")
    check(len(output.split()) == 8, f"ls says {output!r}")
    output = shell.run("echo $USER $LOGNAME $SHELL $HOME; cat /proc/version")
    check(output.startswith("root root /bin/sh /root\nLinux version "), f"it says {output!r}")
    output = shell.run("whoami; ls -ld /mnt")
    check(re.match(r"root\n\S+ +\d+ root +root ", output), f"names of users: {output!r}")
    output = shell.run("mount -t tmpfs none /mnt && umount /mnt && hostname -i")
    check(output == "127.0.0.1", f"mount and hostname say {output!r}")


def line_editing(shell):
    shell.type(CLEAR + "echo heXllo")
    shell.wait_until(lambda: shell.line().endswith("echo heXllo"), "the line is not shown")
    for _ in range(3):
        column = shell.screen.cursor.x - 1
        shell.press(LEFT, lambda: shell.screen.cursor.x == column, "the cursor does not go left")
    output = shell.finish("\x7f\r")
    check(output == "hello", f"the edited line printed {output!r}")
    output = shell.run("garbage\x15echo fresh")
    check(output == "fresh", f"after Ctrl-U {output!r} was printed")
    output = shell.run("echo Gr\u00fc\u00dfe")
    check(output == "Gr\u00fc\u00dfe", f"UTF-8 became {output!r}")


def history(shell):
    shell.run("echo first thing")
    shell.run("echo second thing")
    shell.type(CLEAR)
    for line in "echo second thing", "echo first thing":
        shell.press(UP, lambda: shell.line().endswith(line), f"up does not show {line!r}")
    output = shell.finish("\r")
    check(output == "first thing", f"up, up printed {output!r}")


def canonical_editing(shell):
    shell.begin("echo begun; cat")
    shell.type("wrong\x15r\x7fright\r")
    shell.wait_for(r"right\nright\n")
    shell.type("\x04")
    shell.wait_for_prompt()


def control_c(shell):
    """The shell's own loops wait: in one that computes, a signal can lock the shell out (docs/linux.md)."""
    shell.begin("while :; do sh -c 'echo begun; exec sleep 100'; done")
    shell.type("\x03")
    shell.wait_for_prompt()
    shell.begin(READ)
    shell.type("\x03")
    shell.wait_for_prompt()
    shell.begin(LOOP)
    shell.type("\x03")
    shell.wait_for_prompt()
    output = shell.run("echo $?")
    check(output == "130", f"the status is {output!r}")


def jobs(shell):
    shell.begin(FOREGROUND_LOOP)
    shell.type("\x1a")
    shell.wait_for(r"Stopped")
    shell.wait_for_prompt()
    output = shell.run("jobs")
    check("Stopped" in output and "while" in output, f"jobs says {output!r}")
    shell.run("bg")
    output = shell.run("jobs")
    check("Running" in output, f"after bg, jobs says {output!r}")
    shell.type(CLEAR + "fg\r")
    shell.wait_for(r"\nahead\n")
    shell.type("\x03")
    shell.wait_for_prompt()
    output = shell.run("jobs")
    check(output == "", f"at last jobs says {output!r}")


def pipes_and_redirection(shell):
    output = shell.run("printf 'c\\nb\\na\\n' | sort | tr abc xyz | head -n 2 | wc -l")
    check(output.strip().endswith("2"), f"the pipe printed {output!r}")
    shell.run("cd /tmp; echo one > f; echo two >> f; cat < f > g; ls nowhere 2> err")
    output = shell.run("cat g; wc -l < err; cd")
    check(output.split() == ["one", "two", "1"], f"redirection gave {output!r}")


def script(shell):
    shell.run("printf '#!/bin/sh\\nfor i in 1 2 3; do echo n$i; done\\nexit 7\\n' > /tmp/s")
    shell.run("chmod +x /tmp/s")
    output = shell.run("/tmp/s; echo $?")
    check(output.split() == ["n1", "n2", "n3", "7"], f"the script printed {output!r}")


def vi(shell):
    shell.run("cd /tmp; rm -f note")
    shell.type(CLEAR + "vi note\r")
    shell.wait_until(
        lambda: len(re.findall(r"(?m)^~$", shell.text())) >= ROWS - 3,
        "vi does not fill the screen",
    )
    shell.type("ihello from vi\rsecond line\x1b")
    shell.wait_for_screen(r"hello from vi\nsecond line")
    shell.type("kx:wq\r")
    shell.wait_for_prompt()
    output = shell.run("cat note; cd")
    check(output.split("\n")[1] == "second line", f"vi saved {output!r}")


def top(shell):
    shell.type(CLEAR + "top -d 1\r")
    shell.wait_for_screen(r"PID")
    first = shell.raw.count("PID")
    shell.wait_until(lambda: shell.raw.count("PID") > first + 1, "top does not refresh")
    shell.type("q")
    shell.wait_for_prompt()


def hostile_typing(shell):
    generator = random.Random(5)
    # Not Ctrl-A, which is QEMU's own; nor what would end or stop the program.
    harmless = [byte for byte in range(1, 256) if byte not in (1, 3, 4, 26, 28)]
    shell.begin("echo begun; cat > /dev/null")
    for _ in range(30):
        shell.send_bytes(bytes(generator.choice(harmless) for _ in range(100)))
        shell.pump()
    shell.type("x\x11\x03")  # what is last may have been lost, and Ctrl-V before it not
    shell.wait_for_prompt()
    shell.screen.reset()  # our own terminal is in a state, too
    output = shell.run("echo alive")
    check(output == "alive", f"then the shell says {output!r}")


def big_paste(shell):
    """More than all buffers hold, faster than it is read: nothing is lost."""
    lines = [f"{i:05} {'x' * 60}\n" for i in range(400)]
    shell.begin("echo begun; cat > /tmp/paste; wc -l < /tmp/paste; md5sum < /tmp/paste")
    for line in lines:
        shell.child.send(line)
        shell.pump(0.001)
    shell.child.send("\x04")
    shell.wait_until(lambda: "  -" in shell.new_text(), "no sum")
    check(re.search(r"(?m)^ *400$", shell.new_text()), "lines were lost:\n" + shell.picture())
    shell.wait_for_prompt()


def flushed_input(shell):
    """What nobody reads fills the terminal and the port behind it; tcflush() throws away both.

    On a busy host some of it may come to the port only after that: then once more.
    """
    for _ in range(5):
        shell.type(CLEAR + "/test/t_tty flush\r")
        shell.wait_for(r"type\n")
        for _ in range(44):
            shell.child.send("x" * 91)
            shell.pump(0.001)
        shell.child.send("x" * 91 + "y" * 12)
        shell.wait_for(r"flushed\n")
        shell.type("end.")
        got = shell.wait_for(r"got (.*)\n")[1]
        shell.wait_for_prompt()
        if not re.fullmatch(r"y+end", got):
            break
    check(got == "end", f"more came than was typed: {got!r}")


def control_d(shell):
    shell.type(CLEAR + "\x04")
    status = shell.end()
    check(status == 0, f"the status is {status}")


def power_off(shell):
    shell.wait_for_prompt()
    shell.type(CLEAR + "poweroff\r")
    status = shell.end()
    check(status == 0, f"the status is {status}")


SESSIONS = [
    [
        ("there is a greeting and a prompt", greeting),
        ("commands run", commands),
        ("the window size is the terminal's", window_size),
        ("resize asks the terminal for it", window_size_asked),
        ("usual folders and variables are there", places),
        ("lines can be edited", line_editing),
        ("there is a history", history),
        ("the terminal's own line editing works", canonical_editing),
        ("Ctrl-C stops a loop and a program", control_c),
        ("Ctrl-Z, jobs, bg and fg", jobs),
        ("pipes and redirection", pipes_and_redirection),
        ("a script runs", script),
        ("vi edits and saves a file", vi),
        ("top refreshes", top),
        ("a big paste arrives whole", big_paste),
        ("tcflush throws away what the port holds", flushed_input),
        ("hostile typing does no harm", hostile_typing),
        ("Ctrl-D ends it with status 0", control_d),
    ],
    [("poweroff ends it with status 0", power_off)],
]


def main():
    thrum, iso, log_path = sys.argv[1:4]
    number, nr_failed = 0, 0
    os.makedirs(os.path.dirname(log_path), exist_ok=True)
    print(f"1..{sum(len(session) for session in SESSIONS)}", flush=True)
    with open(log_path, "w", encoding="utf-8") as log:
        for session in SESSIONS:
            shell = Shell([thrum, "run", "--iso", iso, "--cmdline", "log=error"] + sys.argv[4:], ROWS, COLUMNS, log)
            for sentence, test in session:
                number += 1
                try:
                    test(shell)
                    print(f"ok {number} - {sentence}", flush=True)
                except (Failed, Late) as error:
                    nr_failed += 1
                    print(f"not ok {number} - {sentence}")
                    print("".join(f"# {line}\n" for line in str(error).split("\n")), flush=True)
                    if not shell.child.closed:
                        shell.type("\x03")
            shell.stop()
    sys.exit(1 if nr_failed else 0)


main()

"""A person at a terminal, for tests: starts a program in a pseudo-terminal, types, and reads the screen.

pexpect has the pseudo-terminal, pyte is the terminal: it keeps the screen as the sequences of ECMA-48
make it, and answers when it is asked where its cursor is.
"""

import os
import re
import time

import pexpect
import pyte

PATIENCE_S = 120  # on a host that has much else to do

ESCAPES = re.compile(r"\x1b_[^\x1b]*\x1b\\|\x1b\[[0-9;?]*[@-~]|\x1b[()][0-9A-Za-z]|\x1b[=>78]")


class Late(Exception):
    """What was waited for has not come."""


class Terminal:
    def __init__(self, command, rows=24, columns=80, log=None):
        self.screen = pyte.Screen(columns, rows)
        self.screen.write_process_input = self._answer
        self.stream = pyte.Stream(self.screen)
        self.raw = ""  # all that has come
        self.mark = 0  # what is before it has been looked at
        self.log = log
        self.child = pexpect.spawn(
            command[0], command[1:], dimensions=(rows, columns), encoding="utf-8",
            codec_errors="replace", timeout=PATIENCE_S)
        self.child.delaybeforesend = None

    def _answer(self, text):
        self.child.send(text)

    def pump(self, seconds=0.05):
        """Takes what comes within a time. False: the program has ended."""
        try:
            text = self.child.read_nonblocking(65536, seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += text
        if self.log is not None:
            self.log.write(text)
            self.log.flush()
        # An application program command (docs/serial-protocol.md) is not shown; pyte would.
        self.stream.feed(re.sub(r"\x1b_[^\x1b]*\x1b\\", "", text))
        return True

    def send_bytes(self, data):
        """Types bytes that need not be UTF-8; the mark stays."""
        os.write(self.child.child_fd, data)

    def type(self, text):
        """Types, and marks the place: what is waited for next comes after it."""
        self.mark = len(self.raw)
        self.child.send(text)

    def wait_until(self, is_so, what):
        end = time.monotonic() + PATIENCE_S
        while not is_so():
            if time.monotonic() > end or not self.pump():
                if is_so():
                    return
                raise Late(f"{what}; the screen:\n" + self.picture())

    def new_text(self):
        """What has come since the mark, without sequences and carriage returns."""
        return ESCAPES.sub("", self.raw[self.mark:]).replace("\r", "")

    def wait_for(self, pattern):
        """The first match in what has come since the mark; the mark moves on only with type()."""
        found = []

        def look():
            match = re.search(pattern, self.new_text())
            if match:
                found.append(match)
            return bool(match)

        self.wait_until(look, f"nothing that matches {pattern!r} came")
        return found[0]

    def wait_for_screen(self, pattern):
        self.wait_until(lambda: re.search(pattern, self.text()), f"the screen has no {pattern!r}")

    def line(self):
        """The row that the cursor is in."""
        return self.screen.display[self.screen.cursor.y].rstrip()

    def press(self, key, is_so, what):
        """Presses a key that sends a sequence, and waits until it has had its effect.

        A program takes ESC for a key of its own where the rest comes late, as it may from a busy host
        (busybox: 50 ms), and the rest for text. That is taken back then, and the key pressed again.
        """
        rest = key[1:]
        for _ in range(10):
            self.child.send(key)
            self.wait_until(lambda: is_so() or rest in self.line(), what)
            if is_so():
                return
            self.child.send("\x7f" * len(rest))
            self.wait_until(lambda: rest not in self.line(), f"{rest!r} cannot be taken back")
        raise Late(f"{what}; the screen:\n" + self.picture())

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def picture(self):
        return "".join(f"  |{line.rstrip()}\n" for line in self.screen.display if line.strip())

    def end(self):
        """Waits for the program's end. Its exit status; minus a signal."""
        deadline = time.monotonic() + PATIENCE_S
        while self.pump():
            if time.monotonic() > deadline:
                raise Late("the program does not end; the screen:\n" + self.picture())
        self.child.close()
        return self.child.exitstatus if self.child.exitstatus is not None else -self.child.signalstatus

    def stop(self):
        self.child.close(force=True)

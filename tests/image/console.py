"""A sotto console, read as a script reads it: lines that begin with `* ` or `! `, and JSON."""

import json
import os
import re
import select
import subprocess
import time

from machine import PATIENCE, Failed

# What a terminal is sent besides text: colours, cursor moves.
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


class Console:
    """One end's console, over a socket or a program's pipes."""

    def __init__(self, name, reader, writer, log):
        self.name, self.reader, self.writer = name, reader, writer
        self.log = open(log, "wb")
        self.buffer, self.lines, self.seen = b"", [], 0

    @classmethod
    def of_socket(cls, name, line, log):
        console = cls(name, line.fileno(), line.fileno(), log)
        console.line = line  # Which would close if nobody had it.
        return console

    @classmethod
    def of_program(cls, name, program, log):
        return cls(name, program.stdout.fileno(), program.stdin.fileno(), log)

    def type(self, text):
        """A line, with Enter."""
        data = text.encode() + b"\r" if self.reader == self.writer else text.encode() + b"\n"
        while data:
            data = data[os.write(self.writer, data):]

    def _read(self, until):
        ready, _, _ = select.select([self.reader], [], [], max(0, until - time.monotonic()))
        if not ready:
            return
        data = os.read(self.reader, 65536)
        if not data:
            raise Failed(f"{self.name}: the console closed; it said last: {self.lines[-3:]}")
        self.log.write(data)
        self.log.flush()
        self.buffer += data
        *whole, self.buffer = re.split(rb"[\r\n]+", CONTROL.sub(b"", self.buffer))
        self.lines += [line.decode(errors="replace").removeprefix("sotto> ") for line in whole if line]

    def expect(self, *beginnings, within=PATIENCE):
        """The next line that begins so; everything before it counts as read."""
        end = time.monotonic() + within
        while True:
            while self.seen < len(self.lines):
                line = self.lines[self.seen]
                self.seen += 1
                if line.startswith(beginnings):
                    return line
            if time.monotonic() > end:
                raise Failed(f"{self.name}: no line {' or '.join(map(repr, beginnings))} within {within} s; it said {self.lines[-8:]}")
            self._read(end)

    def ask(self, question, within=PATIENCE):
        """`status` or `stats` as an object."""
        self.type(question)
        return json.loads(self.expect("{", within=within))

    def drain(self):
        """Forgets what was said so far."""
        while select.select([self.reader], [], [], 0.05)[0]:
            self._read(time.monotonic())
        self.seen = len(self.lines)

    def said(self, beginning):
        """All lines so far that begin so."""
        return [line for line in self.lines if line.startswith(beginning)]


def start_sotto(program, folder, name, *arguments, namespace=None, environment=None):
    """A sotto on this computer, and its console."""
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    process = subprocess.Popen(inside + [program, "run", "--console", "stdio", *arguments], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=open(f"{folder}/{name}.err", "w"), bufsize=0,
                               env={**os.environ, **(environment or {})})
    return process, Console.of_program(name, process, f"{folder}/{name}.log")

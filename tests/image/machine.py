"""The box in QEMU: an image's own kernel and initramfs, its card, its serial port, and a hand on plugs and keys."""

import json
import os
import shutil
import socket
import subprocess
import time

# Where a person's patience with software emulation ends, in seconds.
PATIENCE = 120


class Failed(Exception):
    """What was expected, and what happened instead."""


def boot_files(image, folder, *names):
    """Takes files out of the image's boot partition, as the board's own firmware would."""
    partition = f"{image}@@{partition_offset(image)}"
    for name in names:
        subprocess.run(["mcopy", "-n", "-o", "-i", partition, f"::{name}", folder], check=True)
    return [f"{folder}/{name}" for name in names]


def partition_offset(image):
    """Bytes before the first partition."""
    return partitions(image)[0][0]


def memory_partition(image):
    """Where the box remembers its owner's choices: bytes before it, and in it."""
    return partitions(image)[1]


def partitions(image):
    table = json.loads(subprocess.run(["sfdisk", "--json", image], check=True, capture_output=True, text=True).stdout)
    return [(p["start"] * 512, p["size"] * 512) for p in table["partitiontable"]["partitions"]]


class Machine:
    """One power-on, until `cut`. `port` is which of the machine's serial ports has the console."""

    def __init__(self, folder, arguments, namespace=None, environment=None, port=0):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.serial_path, self.qmp_path = f"{folder}/serial", f"{folder}/qmp"
        for path in (self.serial_path, self.qmp_path):
            if os.path.exists(path):
                os.remove(path)
        inside = ["ip", "netns", "exec", namespace] if namespace else []
        command = inside + [
            "qemu-system-aarch64", "-nodefaults", "-no-reboot", "-display", "none",
            "-chardev", f"socket,id=uart,path={self.serial_path},server=on,wait=on", *["-serial", "null"] * port, "-serial", "chardev:uart",
            "-qmp", f"unix:{self.qmp_path},server=on,wait=off",
        ] + arguments
        self.log = open(f"{folder}/qemu.log", "w")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
                                        env={**os.environ, **(environment or {})})
        # The machine starts when its serial line is connected, so no byte of it is lost.
        self.serial = self._connect(self.serial_path)
        self.began = time.monotonic()
        self._qmp = self._connect(self.qmp_path).makefile("rw")
        self._sticks = 0
        json.loads(self._qmp.readline())
        self.ask("qmp_capabilities")

    def _connect(self, path):
        end = time.monotonic() + 20
        while True:
            try:
                line = socket.socket(socket.AF_UNIX)
                line.connect(path)
                return line
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise Failed(f"QEMU does not start: {open(f'{self.folder}/qemu.log').read() or error}")
                time.sleep(0.02)

    def ask(self, command, **arguments):
        """A QMP command, and what it returns."""
        request = {"execute": command, "arguments": arguments}
        self._qmp.write(json.dumps(request) + "\n")
        self._qmp.flush()
        while True:
            reply = json.loads(self._qmp.readline())
            if "error" in reply:
                raise Failed(f"QEMU refuses {command}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]

    def press(self, key, milliseconds=120):
        """A key of the box's keyboard, by QEMU's name for it; returns once it is up again."""
        self.ask("send-key", keys=[{"type": "qcode", "data": key}], **{"hold-time": milliseconds})
        time.sleep(milliseconds / 1000 + 0.05)

    def plug_keyboard(self):
        """Puts a USB keyboard in."""
        self.ask("device_add", driver="usb-kbd", id="keyboard", bus="usb.0")

    def plug_stick(self, image):
        """Puts a USB stick in."""
        self._sticks += 1
        node = f"stick-{self._sticks}"
        # QEMU may hold a stick's file long after it was pulled; the next stick does not wait for that.
        self.ask("blockdev-add", driver="raw", **{"node-name": node, "file": {"driver": "file", "filename": image, "locking": "off"}})
        self.ask("device_add", driver="usb-storage", id=f"{node}-in", bus="usb.0", drive=node, removable=True)

    def pull_stick(self):
        """Pulls it out; what the box said is written is in the image then."""
        self.ask("device_del", id=f"stick-{self._sticks}-in")

    def plug_serial(self):
        """Plugs a USB serial adapter in; returns the far end of its cable."""
        path = f"{self.folder}/adapter"
        if os.path.exists(path):
            os.remove(path)
        self.ask("chardev-add", id="adapter", backend={"type": "socket", "data": {
            "addr": {"type": "unix", "data": {"path": path}}, "server": True, "wait": False}})
        line = self._connect(path)
        self.ask("device_add", driver="usb-serial", id="adapter-in", bus="usb.0", chardev="adapter")
        return line

    def resident(self):
        """Bytes of host memory that QEMU holds; not the box's own."""
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        return 0

    def cut(self):
        """Pulls the plug."""
        if self.process.poll() is None:
            try:
                self.ask("quit")
            except (Failed, OSError, ValueError):
                pass
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.serial.close()
        self.log.close()


def is_installed():
    """Whether this computer can run the box at all."""
    return shutil.which("qemu-system-aarch64") is not None

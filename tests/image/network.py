"""A network of its own for the box and the other end: one wire in a namespace, with DHCP and IPv6 announcements."""

import os
import subprocess
import time


class Network:
    """A network namespace with a TAP device for QEMU; `address` is this computer's end."""

    address = "10.77.0.1"

    def __init__(self, folder):
        self.name = f"sotto-{os.getpid()}"
        self.tap = "box0"
        run = lambda *command: subprocess.run(command, check=True)
        inside = ["ip", "netns", "exec", self.name]
        run("ip", "netns", "add", self.name)
        run(*inside, "ip", "link", "set", "lo", "up")
        run(*inside, "ip", "tuntap", "add", self.tap, "mode", "tap")
        run(*inside, "ip", "address", "add", f"{self.address}/24", "dev", self.tap)
        run(*inside, "ip", "address", "add", "fd77::1/64", "dev", self.tap, "nodad")
        run(*inside, "ip", "link", "set", self.tap, "up")
        self.dhcp = subprocess.Popen(inside + [
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--bind-interfaces",
            f"--interface={self.tap}", f"--pid-file={folder}/dnsmasq.pid", f"--dhcp-leasefile={folder}/leases", "--leasefile-ro",
            "--dhcp-range=10.77.0.10,10.77.0.99", "--dhcp-range=fd77::,ra-only", "--enable-ra",
        ], stdout=open(f"{folder}/dnsmasq.log", "w"), stderr=subprocess.STDOUT)
        time.sleep(0.2)

    def arguments(self):
        """QEMU's network card on the wire."""
        return ["-netdev", f"tap,id=wire,ifname={self.tap},script=no,downscript=no", "-device", "virtio-net-pci,netdev=wire,romfile="]

    def close(self):
        self.dhcp.terminate()
        self.dhcp.wait()
        subprocess.run(["ip", "netns", "del", self.name])

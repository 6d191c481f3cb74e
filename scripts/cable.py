#!/usr/bin/python3
"""A long cable between two network namespaces, for scripts/pair.sh: packets take a time, some are lost, only so many
fit. The kernel's own netem is not on every machine, and a proxy of connections cannot lose a segment; so each namespace
gets a TUN device, and this program carries the packets between the two.

    cable.py NAMESPACE NAMESPACE DEVICE MILLISECONDS PERCENT BITS_PER_SECOND SEED COUNTS

MILLISECONDS and PERCENT are of each way. Makes the devices, says "ready", carries until it is ended, and then writes
the numbers of packets carried, lost, and dropped because the line was full to the file COUNTS.
"""

import collections
import ctypes
import fcntl
import os
import random
import select
import signal
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
FULL_SECONDS = 0.2


def tun_in(namespace, device):
    """A TUN device in a namespace; this process stays there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}") as space:
        if libc.setns(space.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"network namespace {namespace}")
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    return tun


class Way:
    """One direction: packets wait here until they have been on their way for long enough."""

    def __init__(self, to, delay, rate):
        self.to, self.delay, self.rate = to, delay, rate
        self.packets = collections.deque()
        self.free_at = 0.0

    def take(self, packet, now):
        """False if the line is full."""
        start = max(now, self.free_at)
        if start - now > FULL_SECONDS:
            return False
        self.free_at = start + len(packet) * 8 / self.rate
        self.packets.append((self.free_at + self.delay, packet))
        return True

    def deliver(self, now):
        while self.packets and self.packets[0][0] <= now:
            try:
                os.write(self.to, self.packets.popleft()[1])
            except OSError:
                pass  # The device is down: the cable is pulled.


def main():
    first, second, device = sys.argv[1:4]
    delay, share, rate = float(sys.argv[4]) / 1000, float(sys.argv[5]) / 100, float(sys.argv[6])
    chance = random.Random(int(sys.argv[7]))
    ends = [tun_in(first, device), tun_in(second, device)]
    ways = {ends[0]: Way(ends[1], delay, rate), ends[1]: Way(ends[0], delay, rate)}
    counts = {"carried": 0, "lost": 0, "full": 0}
    over = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(True))
    print("ready", flush=True)
    while not over:
        due = [way.packets[0][0] for way in ways.values() if way.packets]
        wait = max(0.0, min(due) - time.monotonic()) if due else 1.0
        readable = select.select(ends, [], [], wait)[0]
        now = time.monotonic()
        for end in readable:
            for _ in range(64):
                try:
                    packet = os.read(end, 65536)
                except OSError:
                    break
                if chance.random() < share:
                    counts["lost"] += 1
                elif ways[end].take(packet, now):
                    counts["carried"] += 1
                else:
                    counts["full"] += 1
        for way in ways.values():
            way.deliver(time.monotonic())
    with open(sys.argv[8], "w") as file:
        file.write(" ".join(f"{name}={value}" for name, value in counts.items()) + "\n")


main()

#!/usr/bin/env python3
"""The image of a card, started in the emulator of a Raspberry Pi 3 with two USB disks, beside a daemon on this machine
that is the other box. Started by scripts/image-test.sh; docs/TESTING.md says what is shown.

usage: main.py IMAGE PROGRAM
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import parts
from emulator import Board, Card, Failure, free_port, run, tail
from peer import Peer


class Run:
    """What the parts share: the folder, the boxes, the rows."""

    def __init__(self, image, program, folder):
        self.image, self.program, self.folder = image, os.path.abspath(program), folder
        self.began = time.monotonic()
        self.failed = 0
        self.board = None
        self.boots = 0
        self.facts = {}
        self.key = os.path.join(folder, "owner")
        self.stranger = os.path.join(folder, "stranger")
        for path in (self.key, self.stranger):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path)
        self.disks = {name: os.path.join(folder, f"{name}.disk") for name in ("photos", "films")}
        for name, path in self.disks.items():
            with open(path, "wb") as f:
                f.truncate(2 << 30)
            run(self.program, "newfs", "-f", "-L", name, path)
        self.peer = Peer(self.program, os.path.join(folder, "peer"), free_port())
        self.ports = free_port(), free_port()

    def fresh_card(self, name, with_key=True):
        """A new copy of the image with the owner's files on its first partition."""
        card = Card.fresh(self.image, os.path.join(self.folder, name))
        card.put("config.toml", parts.CONFIG)
        if with_key:
            with open(self.key + ".pub") as f:
                card.put("authorized_keys", f.read())
        return card

    def boot(self, card):
        self.boots += 1
        self.board = Board(self.folder, card, self.disks, self.key, self.boots, self.ports)
        self.board.start()
        return self.board

    def row(self, name, since=None, facts="", result="ok"):
        seconds = "" if since is None else f"{time.monotonic() - since:.0f} s"
        print(f"{result:6} {name:58} {seconds:>7}  {facts}", flush=True)

    def part(self, function):
        since = time.monotonic()
        try:
            function(self)
            return True
        except (Failure, OSError, ValueError, KeyError, IndexError, subprocess.SubprocessError) as e:
            self.failed += 1
            self.row(function.__name__.replace("_", " "), since, str(e) or repr(e), "FAILED")
            if not isinstance(e, Failure):
                traceback.print_exc(file=sys.stdout)
            if self.board is not None:
                print("  the last lines of the console:\n    "
                      + "\n    ".join(l for l in tail(self.board.console, 40).split("\n") if l.strip()), flush=True)
            return False

    def end(self):
        if self.board is not None:
            self.board.power_off()
        self.peer.end()


def main():
    image, program = sys.argv[1:3]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="nashammer-image-test.")
    keep = os.environ.get("KEEP") == "1"
    r = None
    try:
        r = Run(image, program, folder)
        for needed, functions in parts.ALL:
            went = [r.part(f) for f in functions]
            if needed and not all(went):
                break
        size = os.path.getsize(image) / (1 << 20)
        print(f"image: {size:.0f} MiB" + "".join(f"; {k}: {v}" for k, v in r.facts.items()))
        print(f"{r.boots} starts, {(time.monotonic() - r.began) / 60:.1f} min, {r.failed} failed")
    finally:
        if r is not None:
            r.end()
        if keep:
            print("kept:", folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if r is None or r.failed else 0)


main()

#!/usr/bin/env python3
"""The image of a card, started in the emulator of a Raspberry Pi 3 with two USB disks, beside a daemon on this machine
that is the other box. Started by scripts/image-test.sh; docs/TESTING.md says what is shown.

usage: main.py IMAGE PROGRAM FOLDER [PART...]      FOLDER may hold what an earlier run left, of the same image; parts
       are the functions of parts.py, * and ? allowed
"""

import fnmatch
import json
import os
import signal
import subprocess
import sys
import time
import traceback

import parts
from emulator import Board, Card, Failure, end_with_parent, free_port, run, tail
from peer import Peer


class Run:
    """What the parts share: the folder, the boxes, the rows."""

    def __init__(self, image, program, folder):
        self.image, self.program, self.folder = image, os.path.abspath(program), folder
        self.began = time.monotonic()
        self.passed = self.failed = 0
        self.board = None
        self.boots = 0
        self.facts = {}
        self._notes = os.path.join(folder, "notes.json")
        self.notes = {"ports": [free_port() for _ in range(3)], "done": [], "card": "card", "key": ""}
        if os.path.exists(self._notes):
            with open(self._notes) as f:
                self.notes = json.load(f)
        self.key = os.path.join(folder, "owner")
        self.stranger = os.path.join(folder, "stranger")
        for path in (self.key, self.stranger):
            if not os.path.exists(path):
                run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path)
        self.disks = {name: os.path.join(folder, f"{name}.disk") for name in ("photos", "films")}
        for name, path in self.disks.items():
            if not os.path.exists(path):
                with open(path, "wb") as f:
                    f.truncate(2 << 30)
                run(self.program, "newfs", "-f", "-L", name, path)
        *self.ports, peer_port = self.notes["ports"]
        self.peer = Peer(self.program, os.path.join(folder, "peer"), peer_port)

    @property
    def card(self):
        return Card(os.path.join(self.folder, self.notes["card"]))

    @property
    def key_id(self):
        """The board's own key, as it said at its first start."""
        return self.notes["key"]

    def note(self, **facts):
        self.notes.update(facts)
        with open(self._notes + ".new", "w") as f:
            json.dump(self.notes, f)
        os.replace(self._notes + ".new", self._notes)

    def fresh_card(self, name, with_key=True):
        """A new copy of the image with the owner's files on its first partition."""
        card = Card.fresh(self.image, os.path.join(self.folder, name))
        card.put("config.toml", parts.CONFIG)
        if with_key:
            with open(self.key + ".pub") as f:
                card.put("authorized_keys", f.read())
        self.note(card=name)
        return card

    def boot(self):
        self.boots += 1
        self.board = Board(self.folder, self.card, self.disks, self.key, self.boots, self.ports)
        self.board.start()
        return self.board

    def row(self, name, since=None, facts="", result="ok"):
        seconds = "" if since is None else f"{time.monotonic() - since:.0f} s"
        print(f"{result:6} {name:58} {seconds:>7}  {facts}", flush=True)
        if result == "ok":
            self.passed += 1

    def part(self, function):
        since = time.monotonic()
        try:
            if function not in parts.STARTS and (self.board is None or not self.board.runs()):
                parts.start_again(self)
            function(self)
            if function.__name__ not in self.notes["done"]:
                self.note(done=self.notes["done"] + [function.__name__])
            return True
        except (Failure, OSError, ValueError, KeyError, IndexError, subprocess.SubprocessError) as e:
            self.failed += 1
            self.row(function.__name__.replace("_", " "), since, str(e) or repr(e), "FAILED")
            if not isinstance(e, Failure):
                traceback.print_exc(file=sys.stdout)
            self._last_words()
            return False

    def _last_words(self):
        words = {"the other box": self.peer.last_words()}
        if self.board is not None:
            words["the console"] = tail(self.board.console, 40)
            words["the board's journal"] = self.board.last_words()
        for who, text in words.items():
            print(f"  the last lines of {who}:\n    "
                  + "\n    ".join(line for line in text.split("\n") if line.strip()), flush=True)

    def parts(self, wanted):
        for needed, functions in parts.ALL:
            for f in functions:
                named = not wanted or any(fnmatch.fnmatchcase(f.__name__, w) for w in wanted)
                # What the named ones stand on is done once.
                if not named and (f not in parts.BASIS or f.__name__ in self.notes["done"]):
                    continue
                if not self.part(f) and needed:
                    return

    def end(self):
        if self.board is not None:
            self.board.power_off()
        self.peer.end()


def main():
    image, program, folder, *wanted = sys.argv[1:]
    end_with_parent(signal.SIGTERM)()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    names = [f.__name__ for _, functions in parts.ALL for f in functions]
    for word in wanted:
        if not fnmatch.filter(names, word):
            sys.exit(f"image-test: no part is called {word}; there are: {' '.join(names)}")
    r = None
    try:
        r = Run(image, program, folder)
        r.parts(wanted)
        size = os.path.getsize(image) / (1 << 20)
        print(f"image: {size:.0f} MiB" + "".join(f"; {k}: {v}" for k, v in r.facts.items()))
        print(f"{r.boots} starts, {(time.monotonic() - r.began) / 60:.1f} min: {r.passed} rows, {r.failed} failed")
    finally:
        if r is not None:
            r.end()
    sys.exit(1 if r is None or r.failed or not r.passed else 0)


main()

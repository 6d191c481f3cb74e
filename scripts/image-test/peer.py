"""The other box: a daemon of this machine, with the slaves of the board's mirrors in an image file."""

import json
import os
import signal
import subprocess

from emulator import Failure, end_with_parent, run, tail, wait

CONFIG = """[box]
name = "vault"
state = "{folder}/state"
run = "{folder}/run"

[listen]
address = "127.0.0.1:{port}"

[volumes.backup]
images = ["{folder}/backup.disk"]
label = "backup"
mount = "{folder}/mnt"

[peers.nas1]

[mirrors.family]
from = "nas1:photos/family"
to = "vault:backup/family"
silence = "10s"
"""


class Peer:
    def __init__(self, program, folder, port):
        self.program, self.folder, self.port = program, folder, port
        self.disk = os.path.join(folder, "backup.disk")
        self.config = os.path.join(folder, "config.toml")
        if not os.path.exists(self.config):
            self._make()
        self.key = run(program, "peer", "id", "--config", self.config).strip().splitlines()[-1]
        self.log = os.path.join(folder, "log")
        self.process = None

    def _make(self):
        for name in ("state", "run", "mnt"):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)
        with open(self.disk, "wb") as f:
            f.truncate(4 << 30)
        run(self.program, "newfs", "-f", "-L", "backup", self.disk)
        with open(self.config, "w") as f:
            f.write(CONFIG.format(folder=self.folder, port=self.port))

    def start(self):
        if self.process is not None and self.process.poll() is None:
            return
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.program, "daemon", "--config", self.config],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=end_with_parent(signal.SIGTERM))
        wait(120, "the other box's daemon has mounted its volume", lambda: os.path.ismount(f"{self.folder}/mnt"))

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def verb(self, name, *words, seconds=600):
        command = [self.program, name, *words, "--socket", f"{self.folder}/run/daemon.sock"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        if result.returncode != 0:
            raise Failure(f"{' '.join(command[1:])}: {result.returncode}: {(result.stdout + result.stderr).strip()}")
        return result.stdout.strip()

    def status(self):
        command = [self.program, "status", "--json", "--socket", f"{self.folder}/run/daemon.sock"]
        result = subprocess.run(command, capture_output=True, text=True)
        try:
            return json.loads(result.stdout)
        except json.JSONDecodeError:
            return None

    def mirror(self):
        status = self.status()
        return status["mirrors"][0] if status and status.get("mirrors") else {}

    def in_step(self):
        return self.mirror().get("phase") == "InStep"

    def knows(self, name, key, port):
        run(self.program, "peer", "add", name, key, f"127.0.0.1:{port}", "--config", self.config)

    def path(self, name=""):
        return os.path.join(self.folder, "mnt", "family", name)

    def end(self):
        self.stop()
        mount = os.path.join(self.folder, "mnt")
        for place in (self.path().rstrip("/"), mount):
            if os.path.ismount(place):
                subprocess.run(["umount", "-l", place])

    def last_words(self):
        return tail(self.log, 20)

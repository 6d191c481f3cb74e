"""A Raspberry Pi 3 in QEMU: the card, USB disks, the network, and what can be seen of it from outside.

The emulator has no boot loader of the board: kernel, initial RAM disk and device tree are taken from the card's first
partition and given to it.
"""

import ctypes
import glob
import json
import os
import re
import signal
import socket
import subprocess
import time

BOOT_OFFSET = 4 << 20
CARD_SIZE = 4 << 30
# Drivers that the emulated board does not stand: the watchdog resets it when armed, behind the mailbox there is no
# VideoCore, and cdc_subset takes the network card from the driver that fits if it happens to come first.
KEPT_AWAY = ["bcm2835_wdt", "vchiq", "vc4", "cdc_subset"]
LEVELS = 0x3F200034  # GPLEV0: the levels of lines 0 to 31


class Failure(Exception):
    """What was to be shown is not so."""


def end_with_parent(how):
    """For Popen's preexec_fn: the program gets this signal when the one that started it has gone, however it went."""
    return lambda: ctypes.CDLL(None).prctl(1, how)  # PR_SET_PDEATHSIG


def run(*command, timeout=900, **options):
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout, **options)
    if result.returncode != 0:
        words = " ".join(command)
        raise Failure(f"{words}: exit code {result.returncode}: {(result.stdout + result.stderr).strip()[-2000:]}")
    return result.stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait(seconds, what, condition, pause=0.5):
    """Polls until the condition gives something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise Failure(f"after {seconds} s still not: {what}")
        time.sleep(pause)


class Card:
    """An image, padded to what an SD card has (the emulator wants a power of two)."""

    def __init__(self, path):
        self.path = path
        self._partition = f"{path}@@{BOOT_OFFSET}"

    @staticmethod
    def fresh(packed, path):
        if packed.endswith(".zst"):
            run("zstd", "-q", "-d", "-f", "--sparse", packed, "-o", path)
        else:
            run("cp", "--sparse=always", packed, path)
        os.truncate(path, CARD_SIZE)
        return Card(path)

    def put(self, name, text):
        run("mcopy", "-o", "-i", self._partition, "-", f"::{name}", input=text)

    def get(self, name):
        """The file's text, or None: only while no emulator runs from the card is it certain to be whole."""
        result = subprocess.run(["mtype", "-i", self._partition, f"::{name}"], capture_output=True, text=True,
                                errors="replace")
        return result.stdout.replace("\r", "") if result.returncode == 0 else None

    def take_boot_files(self, folder):
        os.makedirs(folder, exist_ok=True)
        for name in ("vmlinuz-*", "initrd.img-*", "bcm2837-rpi-3-b.dtb"):
            run("mcopy", "-o", "-n", "-i", self._partition, f"::{name}", folder)
        return [sorted(glob.glob(os.path.join(folder, n)))[-1]
                for n in ("vmlinuz-*", "initrd.img-*", "bcm2837-rpi-3-b.dtb")]

    def root_id(self):
        return run("sfdisk", "--disk-id", self.path).strip().removeprefix("0x") + "-02"


class Board:
    """One board from power on to power off."""

    def __init__(self, folder, card, disks, key, boot_number, ports):
        self.folder, self.card, self.disks, self.key = folder, card, disks, key
        self.console = os.path.join(folder, f"console{boot_number}")
        self._qmp_path = os.path.join(folder, f"qmp{boot_number}")
        self._control = os.path.join(folder, f"ssh{boot_number}")
        self.ssh_port, self.mirror_port = ports
        self.process = self._qmp = None
        self._plugged_again = False

    def start(self):
        kernel, initrd, tree = self.card.take_boot_files(os.path.join(self.folder, "boot"))
        # The words of cmdline.txt that name a console are the emulator's own business.
        words = [w for w in self.card.get("cmdline.txt").split() if w not in ("console=tty0", "quiet")]
        words += ["modprobe.blacklist=" + ",".join(KEPT_AWAY), "systemd.show_status=yes"]
        command = ["qemu-system-aarch64", "-M", "raspi3b", "-m", "1G", "-smp", "4", "-display", "none",
                   "-kernel", kernel, "-initrd", initrd, "-dtb", tree, "-append", " ".join(words),
                   "-drive", f"file={self.card.path},if=sd,format=raw,id=card",
                   "-serial", "null", "-serial", f"file:{self.console}",
                   "-qmp", f"unix:{self._qmp_path},server=on,wait=off",
                   "-device", "usb-net,netdev=net",
                   "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22,"
                              f"hostfwd=tcp:127.0.0.1:{self.mirror_port}-:7445"]
        for name, path in self.disks.items():
            command += ["-blockdev", f"driver=raw,node-name={name},file.driver=file,file.filename={path}",
                        "-device", f"usb-storage,id=usb-{name},drive={name},serial={name}"]
        self._log = open(os.path.join(self.folder, "qemu.log"), "ab")
        self.began = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
                                        preexec_fn=end_with_parent(signal.SIGKILL))
        wait(60, "the emulator answers", self._connect, 0.2)

    def _connect(self):
        if self.process.poll() is not None:
            raise Failure("the emulator did not start: " + tail(self._log.name, 5))
        try:
            link = socket.socket(socket.AF_UNIX)
            link.connect(self._qmp_path)
        except OSError:
            return False
        link.settimeout(120)
        self._qmp = link.makefile("rw")
        self._qmp.readline()
        self.ask("qmp_capabilities")
        return True

    def ask(self, command, **arguments):
        self._qmp.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._qmp.flush()
        while True:
            answer = json.loads(self._qmp.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise Failure(f"{command}: {answer['error']['desc']}")

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def last_words(self):
        if not self.runs():
            return "it is off"
        return self.try_shell("nashammer status; journalctl -b -q --no-pager -n 30", seconds=90)[1]

    def seconds(self):
        return time.monotonic() - self.began

    def line(self, number):
        """The level of a GPIO line, seen from outside."""
        text = self.ask("human-monitor-command", **{"command-line": f"xp /1wx 0x{LEVELS:x}"})
        return int(text.split(":")[1].split()[0], 16) >> number & 1

    def card_writes(self):
        """(when the card's file was last written, as this machine says; writes and sectors, as the board's kernel
        counts them). The emulator itself has no statistics of its SD card: query-blockstats says 0 for ever."""
        fields = self.shell("cat /sys/block/mmcblk*/stat").split()
        return os.stat(self.card.path).st_mtime_ns, int(fields[4]), int(fields[6])

    def pull(self, name):
        self.ask("device_del", id=f"usb-{name}")

    def put_back(self, name):
        self.ask("device_add", driver="usb-storage", id=f"usb-{name}", drive=name, serial=name)

    def ssh_words(self, *command, key=None):
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes",
                   "ConnectTimeout=60", "IdentitiesOnly=yes", "ServerAliveInterval=20"]
        if key is None:
            options += ["ControlMaster=auto", f"ControlPath={self._control}", "ControlPersist=yes"]
        words = ["ssh", "-F", "/dev/null", "-p", str(self.ssh_port), "-i", key or self.key]
        for option in options:
            words += ["-o", option]
        return [*words, "root@127.0.0.1", *command]

    def try_shell(self, script, key=None, seconds=180, **options):
        """(exit code, output) of a script on the board; 255 is no connection."""
        try:
            result = subprocess.run(self.ssh_words(script, key=key), stdin=options.pop("stdin", subprocess.DEVNULL),
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                    timeout=seconds, **options)
        except subprocess.TimeoutExpired:
            return 255, f"no answer within {seconds} s"
        return result.returncode, result.stdout

    def shell(self, script, seconds=180):
        code, output = self.try_shell(script, seconds=seconds)
        if code != 0:
            raise Failure(f"on the board: {script}: exit code {code}: {output.strip()[-1500:]}")
        return output.strip()

    def status(self):
        """The box's own status, or None."""
        code, output = self.try_shell("nashammer status --json")
        try:
            return json.loads(output) if code in (0, 1, 2) else None
        except json.JSONDecodeError:
            return None

    def wait_for_login(self, seconds):
        def answers():
            if self.process.poll() is not None:
                raise Failure("the emulator has ended by itself")
            if self.try_shell("true", seconds=100)[0] == 0:
                return True
            self._plug_again_without_usb()
            return False
        wait(seconds, "ssh lets the owner in", answers, 2)

    def _plug_again_without_usb(self):
        """On a busy machine the emulated USB host sometimes never sees its own devices, neither network nor disks: the
        emulator's fault, which no waiting mends. Once for each start, and told."""
        if self._plugged_again or not re.search("dwc2 .*: Not connected", tail(self.console, 400)):
            return
        self._plugged_again = True
        print("note   the emulator's USB host came up without its devices: its plug is pulled, and it starts again",
              flush=True)
        self.power_off()
        self.start()

    def power_off(self):
        """No word to anybody: the plug."""
        subprocess.run(["ssh", "-F", "/dev/null", "-O", "exit", "-o", f"ControlPath={self._control}", "x"],
                       capture_output=True)
        if self.runs():
            self.process.kill()
            self.process.wait()
        if self._qmp is not None:
            self._qmp.close()
            self._qmp = None

    def stop_in_order(self, seconds):
        self.try_shell("systemctl --no-block poweroff")
        wait(seconds, "the board has stopped in order",
             lambda: self.process.poll() is not None or re.search("reboot: (Power down|System halted)",
                                                                  tail(self.console, 60)), 1)
        self.power_off()


def tail(path, lines):
    try:
        with open(path, errors="replace") as f:
            return "".join(f.readlines()[-lines:])
    except OSError:
        return ""

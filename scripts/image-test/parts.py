"""What is shown, in order. Each part prints its rows; what it expects and does not find is a Failure."""

import hashlib
import os
import re
import socket
import subprocess
import time

import light
from emulator import Failure, run, wait

LINE = 17
PHOTOS = "/srv/photos"
FAMILY = f"{PHOTOS}/family"
CONFIG = f"""[box]
name = "nas1"

[volumes.photos]
label = "photos"
mount = "{PHOTOS}"

[volumes.films]
label = "films"
mount = "/srv/films"

[pfs.family]
volume = "photos"

[peers.vault]

[mirrors.family]
from = "nas1:photos/family"
to = "vault:backup/family"
silence = "10s"

[led]
chip = "/dev/gpiochip0"
line = {LINE}
"""
START_LIMIT = 1800  # seconds; a quiet machine takes one or two minutes
WAIT = 900          # for what takes seconds on a board, and minutes in an emulator on a busy machine
MEMORY_LIMIT = 80   # MB
IDLE_SECONDS = 120


GOOD = ("InStepProven", "InStepUnproven")


def see_light(r, states, what, since=None):
    """The status comes to one of these lights, and the line, seen from outside, plays its rhythm."""
    since = since or time.monotonic()
    samples = []

    def said():
        light_of = (r.board.status() or {}).get("light")
        return light_of if light_of in states else None
    wait(WAIT, f"the status says {' or '.join(states)}", said, 1)
    after = time.monotonic() - since
    seen = state = None
    for _ in range(20):
        state = said()
        samples = light.sample(lambda: r.board.line(LINE), 10)
        seen = light.judge(samples)
        if state and said() == state and seen[0] == light.expected(state) and seen[1] >= 0.7:
            r.row(f"light, from outside: {what}: {state}", since,
                  f"said after {after:.0f} s; {len(samples)} samples, {seen[1] * 100:.0f} % of {len(seen[2])} runs fit")
            return
    raise Failure(f"the light should play {state} ({what}); it looks like {seen[0]} ({seen[1]:.2f}): "
                  + " ".join(f"{'+' if level else '-'}{ms:.0f}" for level, ms in seen[2][:30]))


def new_name(what):
    return f"{what}-{time.time_ns():x}"


def mounted(board, *places):
    return board.try_shell(" && ".join(f"mountpoint -q {p}" for p in places))[0] == 0


def digest_here(folder):
    whole = hashlib.sha256()
    for path in sorted(os.path.relpath(os.path.join(d, f), folder) for d, _, fs in os.walk(folder) for f in fs):
        with open(os.path.join(folder, path), "rb") as f:
            whole.update(f"{hashlib.sha256(f.read()).hexdigest()}  ./{path}\n".encode())
    return whole.hexdigest()


def digest_there(board, folder):
    return board.shell(f"cd {folder} && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum | sha256sum",
                       600).split()[0]


def mirror_is_equal(r, what, since):
    wait(1800, f"the mirror is in step ({what})", r.peer.in_step, 1)
    there = digest_there(r.board, FAMILY)
    wait(WAIT, f"the files are the same on both sides ({what})", lambda: digest_here(r.peer.path()) == there, 2)
    count = sum(len(f) for _, _, f in os.walk(r.peer.path()))
    r.row(f"files equal on both boxes, {what}", since, f"{count} files, sha256 {there[:16]}")


def first_start(r):
    since = time.monotonic()
    r.fresh_card("card")
    board = r.boot()
    board.wait_for_login(START_LIMIT)
    r.facts["first start, ssh answers"] = f"{board.seconds():.0f} s"
    r.row("first start: ssh with the owner's key", since)
    code, output = board.try_shell("true", key=r.stranger)
    if code != 255 or "Permission denied" not in output:
        raise Failure(f"a stranger's key was not refused: {code} {output.strip()}")
    r.row("first start: a stranger's key, a password: refused", None, output.strip().splitlines()[-1][-60:])
    name = board.shell("hostname")
    if name != "nas1":
        raise Failure(f"the host's name is {name}")
    wait(WAIT, "both volumes are mounted", lambda: mounted(board, PHOTOS, "/srv/films"), 2)
    r.row("first start: name nas1, both volumes mounted", since)
    r.note(key=board.shell("nashammer peer id").splitlines()[0].strip())
    r.facts["program on the card"] = board.shell("nashammer --version").splitlines()[0]


def start_again(r):
    """For a part by itself: as the parts before it left things."""
    since = time.monotonic()
    r.peer.start()
    board = r.boot()
    board.wait_for_login(START_LIMIT)
    wait(WAIT, "both volumes are mounted", lambda: mounted(board, PHOTOS, "/srv/films"), 2)
    r.row("(started again)", since)


def mirror_to_a_box_outside(r):
    board = r.board
    since = time.monotonic()
    board.shell(f"test -d {FAMILY}/. && mkdir -p {FAMILY}/tree && cd {FAMILY}/tree && for i in $(seq 60); do "
                f"head -c $((i * 1000)) /dev/urandom >f$i; done; head -c 3000000 /dev/urandom >big; sync {FAMILY}", 600)
    r.row("files written on the box", since)
    see_light(r, ("Attention",), "a new box that no other one knows")
    since = time.monotonic()
    r.peer.start()
    r.peer.knows("nas1", r.key_id, r.ports[1])
    board.shell(f"nashammer peer add vault {r.peer.key} 10.0.2.2:{r.peer.port}")
    mirror_is_equal(r, "first load", since)
    since = time.monotonic()
    said = r.peer.verb("verify", "family", "--full", seconds=900)
    r.row("nashammer verify --full", since, said.splitlines()[-1][:80])
    since = time.monotonic()
    wait(WAIT, "the status is good", lambda: board.try_shell("nashammer status")[0] == 0, 1)
    r.row("status good (exit code 0)", since)
    r.facts["first start to good, pairing and first load included"] = f"{board.seconds():.0f} s"
    lag(r)


def status_on_the_first_partition(r):
    """Written when the box is good, or has not become so for two minutes of its own."""
    since = time.monotonic()
    text = wait(WAIT, "status.txt is written", lambda: r.card.get("status.txt"), 3)
    if "Box:      nas1" not in text or r.key_id not in text:
        raise Failure("status.txt does not name box and key: " + text)
    state = re.search(r"State: +(.*)", text)
    r.row("status.txt on the first partition", since, f"state {state.group(1) if state else '?'}")


def lag(r):
    lags = []
    for _ in range(5):
        name = new_name("lag")
        r.board.shell(f"date >{FAMILY}/{name}; sync {FAMILY}/{name} {FAMILY}")
        synced = time.monotonic()
        wait(300, "a new file is on the other box", lambda: os.path.exists(r.peer.path(name)), 0.02)
        lags.append(time.monotonic() - synced)
    r.row("lag: from fsync to the other box's folder", None,
          "median %.1f s, most %.1f s" % (sorted(lags)[2], max(lags)))


def light_good_and_no_peer(r):
    see_light(r, GOOD, "good")
    since = time.monotonic()
    r.peer.stop()
    see_light(r, ("PeerUnreachable",), "the other box is away", since)
    since = time.monotonic()
    r.peer.start()
    see_light(r, GOOD, "it is back", since)


def resident(board):
    text = board.shell("cat /proc/$(systemctl show -p MainPID --value nashammer)/status")
    return [int(re.search(rf"{name}:\s+(\d+)", text).group(1)) / 1024 for name in ("VmRSS", "VmHWM")]


def nothing_writes_to_the_card(r):
    board = r.board
    last, quiet_since, began = board.card_writes(), time.monotonic(), time.monotonic()

    def quiet():
        nonlocal last, quiet_since
        now = board.card_writes()
        if now != last:
            last, quiet_since = now, time.monotonic()
        return time.monotonic() - quiet_since >= 15
    wait(WAIT, "nothing is written to the card for 15 s", quiet, 1)
    if last[1] == 0:
        raise Failure("the board counts no write to the card, although the start wrote: the count is no good")
    r.row("card: what start and first mirror wrote", began, f"{last[1]} writes, {last[2] // 2} KiB since power on")
    since, files, memory = time.monotonic(), 0, []
    before = board.card_writes()
    while time.monotonic() - since < IDLE_SECONDS:
        files += 1
        name, bytes_ = f"{FAMILY}/tree/{new_name('g')}", 5_000_000 if files % 4 == 0 else 300_000
        board.shell(f"head -c {bytes_} /dev/urandom >{name}; sync {name} {FAMILY}/tree")
        memory.append(resident(board))
        time.sleep(3)
    after = board.card_writes()
    if after != before:
        raise Failure(f"{after[1] - before[1]} writes, {(after[2] - before[2]) // 2} KiB went to the card; "
                      f"its file was {'' if after[0] != before[0] else 'not '}written")
    r.row("card: written while files are written and mirrored", since, f"0 writes ({files} files mirrored)")
    most, peak = max(m[0] for m in memory), memory[-1][1]
    r.row("daemon's memory, two volumes, a mirror at work", None, f"{most:.0f} MB resident (peak ever {peak:.0f} MB)")
    r.facts["daemon's memory"] = f"{most:.0f} MB, peak {peak:.0f} MB"
    r.facts["board's memory in use"] = board.shell("free -m | awk '/^Mem/ { print $3 \" of \" $2 \" MB\" }'")
    if most > MEMORY_LIMIT:
        raise Failure(f"the daemon has {most:.0f} MB resident, more than {MEMORY_LIMIT}")


def disk_pulled_and_returned(r):
    board = r.board
    wait(WAIT, "the mirror is in step", r.peer.in_step, 1)
    # Pulled while this is on its way to the other box.
    board.shell(f"head -c 2000000 /dev/urandom >{FAMILY}/{new_name('on-its-way')}; sync {FAMILY}")
    since = time.monotonic()
    board.pull("photos")
    wait(WAIT, "the mount has gone", lambda: not mounted(board, PHOTOS) and mounted(board, "/srv/films"), 1)
    r.row("disk pulled: its mount goes, the other one stays", since)
    see_light(r, ("Failed",), "a disk is missing", since)
    since = time.monotonic()
    board.put_back("photos")
    wait(WAIT, "the mount is back", lambda: mounted(board, PHOTOS), 1)
    r.row("disk returned: mounted", since)
    name, began = new_name("returned"), time.monotonic()
    board.shell(f"date >{FAMILY}/{name}; sync {FAMILY}/{name} {FAMILY}")
    synced = time.monotonic() - began
    wait(WAIT, "the mirror goes on", lambda: os.path.exists(r.peer.path(name)), 0.5)
    r.row("disk returned: the mirror goes on", since, f"fsync took {synced:.1f} s")
    mirror_is_equal(r, "after the disk's return", since)


def check_disks(r, when):
    since = time.monotonic()
    for path in r.disks.values():
        run(r.program, "check", "--data", path)
    r.row(f"nashammer check --data of both disks, {when}", since, "clean")


def power_cut_in_mid_write(r):
    board = r.board
    cut = f"{FAMILY}/{new_name('cut')}"
    script = (f"mkdir -p {cut}; i=0; while :; do i=$((i+1)); f={cut}/$i; head -c 50000 /dev/urandom >$f;"
              f" sync $f {cut}; sha256sum $f; done")
    writer = subprocess.Popen(board.ssh_words(script), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    acknowledged = []
    end = time.monotonic() + 300
    for text in writer.stdout:
        acknowledged.append(text.strip())
        if len(acknowledged) >= 25 or time.monotonic() > end:
            break
    board.process.kill()
    acknowledged += [t.strip() for t in writer.stdout.readlines() if t.endswith("\n")]
    board.power_off()
    writer.wait()
    if len(acknowledged) < 5:
        raise Failure(f"only {len(acknowledged)} files were written within 5 minutes")
    r.row("power cut in mid-write", None, f"{len(acknowledged)} files acknowledged")
    check_disks(r, "as the cut left them")
    since = time.monotonic()
    board = r.boot()
    board.wait_for_login(START_LIMIT)
    wait(WAIT, "the status is good", lambda: board.try_shell("nashammer status")[0] == 0, 1)
    r.facts["start to good"] = f"{board.seconds():.0f} s"
    own = board.shell("cat /proc/uptime").split()[0]
    r.row("power again: from power on to status good", since, f"{own} s of its own")
    there = dict(reversed(line.split(None, 1)) for line in
                 board.shell(f"sha256sum {cut}/*", 600).splitlines())
    lost = [a for a in acknowledged if there.get(a.split(None, 1)[1]) != a.split()[0]]
    if lost:
        raise Failure(f"{len(lost)} of {len(acknowledged)} acknowledged files are not as they were: {lost[:3]}")
    r.row("every acknowledged file is there, to the byte", None, f"{len(acknowledged)} files")
    mirror_is_equal(r, "after the power cut", since)


def stopped_in_order(r):
    since = time.monotonic()
    r.peer.stop()
    name = new_name("unsent")
    r.board.shell(f"date >{FAMILY}/{name}; sync {FAMILY}/{name} {FAMILY}")
    r.note(unsent=name)
    r.board.stop_in_order(WAIT)
    r.row("stopped in order, with a change that is not mirrored", since)
    check_disks(r, "after the stop")


def fresh_card_is_the_same_box(r):
    if r.board is not None:
        r.board.power_off()
    since = time.monotonic()
    former = r.notes["card"]
    r.fresh_card("fresh", with_key=False)
    r.peer.start()
    name = r.peer.path(r.notes["unsent"])
    if os.path.exists(name):
        raise Failure("the other box has everything already: stopped_in_order comes first")
    board = r.boot()
    wait(START_LIMIT, "the mirror goes on, without pairing", lambda: os.path.exists(name), 1)
    r.row("a fresh card: the mirror goes on by itself", since, "no pairing, from power on")
    r.facts["fresh card, power on to mirroring"] = f"{board.seconds():.0f} s"
    text = wait(WAIT, "status.txt is written", lambda: r.card.get("status.txt"), 3)
    if r.key_id not in text:
        raise Failure("the fresh card is another box: " + text)
    r.row("a fresh card: the same box", since, f"key {r.key_id[:16]}")
    with socket.create_connection(("127.0.0.1", board.ssh_port), 30) as link:
        link.settimeout(60)
        try:
            banner = link.recv(100)
        except OSError:
            banner = b""
    if banner:
        raise Failure(f"ssh answers although there is no authorized_keys: {banner}")
    r.row("a card without authorized_keys: no ssh", None)
    wait(WAIT, "the mirror is in step", r.peer.in_step, 1)
    board.power_off()
    r.note(card=former)
    check_disks(r, "after the last power cut")
    since = time.monotonic()
    r.peer.stop()
    run(r.program, "check", "--data", r.peer.disk)
    r.row("nashammer check --data of the other box's disk", since, "clean")


# These start the board themselves, from a card that is new. The basis is what all others stand on.
STARTS = [first_start, fresh_card_is_the_same_box]
BASIS = [first_start, mirror_to_a_box_outside]

# Groups; one that the others need ends the run if it fails.
ALL = [
    (True, [first_start]),
    (True, [mirror_to_a_box_outside]),
    (False, [status_on_the_first_partition, light_good_and_no_peer]),
    (False, [nothing_writes_to_the_card, disk_pulled_and_returned]),
    (True, [power_cut_in_mid_write]),
    (False, [stopped_in_order]),
    (False, [fresh_card_is_the_same_box]),
]

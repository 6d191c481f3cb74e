"""What a light plays, judged from samples of its line."""

import time

# Lit and dark in milliseconds (docs/OPERATING.md). Solid: never dark.
RHYTHMS = {
    "Solid": [], "Asleep": [50, 3950], "InStepUnproven": [1900, 100], "Streaming": [500, 500], "FirstLoad": [400, 100],
    "Starting": [2000, 2000], "Lagging": [150, 200, 150, 1500], "PeerUnreachable": [150, 200, 150, 200, 150, 1500],
    "Attention": [200, 800], "Failed": [150, 150],
}
NAMES = {"InStepProven": "Solid", "FailedAcknowledged": "Failed"}


def sample(level, seconds):
    """(moment, level) as often as the emulator answers, some dozens a second."""
    samples, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        samples.append((time.monotonic(), level()))
        time.sleep(0.008)
    return samples


def runs_of(samples):
    """Whole runs of one level: (level, milliseconds); the first and the last one are cut off by looking."""
    runs, since, last = [], samples[0][0], samples[0][1]
    for moment, level in samples[1:]:
        if level != last:
            runs.append((last, (moment - since) * 1000))
            since, last = moment, level
    return runs[1:]


def fit(runs, lit, rhythm, slack):
    """The share of the runs that the rhythm explains, at its best beginning. The emulator's clock and a busy machine
    make each run longer or shorter."""
    if not rhythm:
        return 1.0 if lit and not runs else 0.0
    if len(runs) < 3:
        return 0.0
    best = 0.0
    for phase in range(len(rhythm)):
        good = 0
        for i, (level, length) in enumerate(runs):
            place = (phase + i) % len(rhythm)
            if level == (1 - place % 2) and abs(length - rhythm[place]) <= max(slack, rhythm[place] * 0.25):
                good += 1
        best = max(best, good / len(runs))
    return best


def judge(samples, slack=70):
    """(name of the rhythm, share of the runs that it explains, runs)."""
    runs = runs_of(samples)
    lit = all(level for _, level in samples)
    name = max(RHYTHMS, key=lambda n: fit(runs, lit, RHYTHMS[n], slack))
    return name, fit(runs, lit, RHYTHMS[name], slack), runs


def expected(light):
    return NAMES.get(light, light)

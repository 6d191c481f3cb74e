#!/usr/bin/env python3
"""The part of the image builder that knows definitions and file systems; scripts/image.sh is its caller.

image.py boards                        the boards that have a definition
image.py variables BOARD               the definition as assignments for a shell
image.py check                         checks all definitions
image.py assemble BOARD --root FOLDER --boot FOLDER --epoch SECONDS --packages FILE --image FILE --manifest FILE
"""

import argparse
import os
import shlex
import sys
import tempfile

import definition
import disk
import ext4

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def variables(whole):
    """Shell assignments. Words of a list are parted by blanks, lines of config.txt by line breaks."""
    debian, boot, root = whole["debian"], whole["boot"], whole["root"]
    values = {
        "suite": debian["suite"], "kernel": debian["kernel"], "kernel_suite": debian["kernel-suite"],
        "packages": " ".join(debian["packages"]), "from_kernel_suite": " ".join(debian["from-kernel-suite"]),
        "firmware": " ".join(boot["firmware"]), "device_trees": " ".join(boot["device-trees"]),
        "overlays": " ".join(boot["overlays"]),
        "config": "\n".join(boot["config"]), "command_line": " ".join(boot["command-line"]),
        "modules": " ".join(whole["initrd"]["modules"]),
        "needed_modules": " ".join(whole["initrd"]["needed-modules"]), "remove": " ".join(root["remove"]),
        "remove_modules": " ".join(root["remove-modules"]), "disk_id": whole["partitions"]["disk-id"],
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def assemble(whole, options):
    """The image and its manifest."""
    places, epoch = whole["partitions"], options.epoch
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(options.image))) as scratch:
        boot, root, state = (os.path.join(scratch, name) for name in ("boot", "root", "state"))
        disk.make_fat(boot, definition.size(places["boot"]), "NASHAMMER", places["disk-id"], options.boot, epoch)
        ext4.make(root, definition.size(places["root"]), "nashammer-root", options.root, epoch)
        ext4.make(state, definition.size(places["state"]), "nashammer-state", None, epoch)
        disk.make_disk(options.image, places["disk-id"], [(boot, "c"), (root, "83"), (state, "83")])
    with open(options.manifest, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"# {whole['board']['title']}, epoch {epoch}\n")
        with open(options.packages, encoding="utf-8") as packages:
            file.writelines(f"# package {line}" for line in packages)
        file.write("# partition, type, mode, owner, size, SHA-256 or target, path\n")
        for line in (*disk.manifest("1", options.boot, True), *disk.manifest("2", options.root, False)):
            file.write(line + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--definitions", default=FOLDER, help="folder of the definitions")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("boards")
    verbs.add_parser("check")
    verbs.add_parser("variables").add_argument("board")
    make = verbs.add_parser("assemble")
    make.add_argument("board")
    for name in ("root", "boot", "packages", "image", "manifest"):
        make.add_argument(f"--{name}", required=True)
    make.add_argument("--epoch", type=int, required=True)
    options = parser.parse_args()
    if options.verb == "boards":
        print(" ".join(definition.boards(options.definitions)))
    elif options.verb == "check":
        for board in definition.boards(options.definitions):
            definition.load(options.definitions, board)
    elif options.verb == "variables":
        sys.stdout.write(variables(definition.load(options.definitions, options.board)))
    else:
        assemble(definition.load(options.definitions, options.board), options)


if __name__ == "__main__":
    try:
        main()
    except (definition.DefinitionError, RuntimeError, ValueError, OSError) as error:
        sys.exit(f"image: {error}")

"""Definitions of images: images/BOARD.toml over images/common/card.toml, checked key by key."""

import os
import re
import tomllib

NAME = r"[a-z0-9][a-z0-9.+-]*"
FILE = r"[A-Za-z0-9][A-Za-z0-9._+-]*"
SIZE = r"[0-9]+M"
LINE = r"[ -~]*"

# Key: (pattern of a text, or [pattern] for a list of them). All are needed; lists of both files are joined.
SCHEMA = {
    "board": {"name": NAME, "title": LINE},
    "debian": {"suite": NAME, "kernel": NAME, "kernel-suite": NAME, "packages": [NAME], "from-kernel-suite": [NAME]},
    "partitions": {"boot": SIZE, "root": SIZE, "state": SIZE, "disk-id": r"[0-9a-f]{8}"},
    "boot": {"firmware": [FILE], "device-trees": [FILE], "overlays": [FILE], "config": [LINE],
             "command-line": [r"[!-~]+"]},
    "initrd": {"modules": [r"[A-Za-z0-9_-]+"], "needed-modules": [r"[A-Za-z0-9_-]+"]},
    "root": {"remove": [r"/[!-~]+"], "remove-modules": [r"[!-~]+"]},
}


class DefinitionError(Exception):
    """A definition that is not as images/README.md says."""


def read(path):
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise DefinitionError(f"{path}: {error}") from error


def check(path, tree):
    """Unknown sections and keys, wrong types and texts."""
    for section, keys in tree.items():
        known = SCHEMA.get(section)
        if known is None:
            raise DefinitionError(f"{path}: unknown section [{section}]; there are {', '.join(SCHEMA)}")
        if not isinstance(keys, dict):
            raise DefinitionError(f"{path}: {section} is to be a section")
        for key, value in keys.items():
            pattern = known.get(key)
            if pattern is None:
                raise DefinitionError(f"{path}: unknown key '{key}' in [{section}]; there are {', '.join(known)}")
            many = isinstance(pattern, list)
            if isinstance(value, list) != many:
                raise DefinitionError(f"{path}: [{section}] {key} is to be a {'list of texts' if many else 'text'}")
            for text in value if many else [value]:
                if not isinstance(text, str) or not re.fullmatch(pattern[0] if many else pattern, text):
                    raise DefinitionError(f"{path}: [{section}] {key}: {text!r} is not allowed there")


def load(folder, board):
    """The whole definition of a board: a value for each key of the schema."""
    common, own = (os.path.join(folder, name) for name in ("common/card.toml", f"{board}.toml"))
    if not re.fullmatch(NAME, board) or not os.path.exists(own):
        raise DefinitionError(f"there is no board '{board}'; there are {', '.join(boards(folder))}")
    whole = {section: {} for section in SCHEMA}
    for path in (common, own):
        tree = read(path)
        check(path, tree)
        for section, keys in tree.items():
            for key, value in keys.items():
                whole[section][key] = whole[section].get(key, []) + value if isinstance(value, list) else value
    for section, keys in SCHEMA.items():
        for key, pattern in keys.items():
            if isinstance(pattern, list):
                whole[section].setdefault(key, [])
            elif key not in whole[section]:
                raise DefinitionError(f"{own}: [{section}] {key} is missing")
    if whole["board"]["name"] != board:
        raise DefinitionError(f"{own}: [board] name is '{whole['board']['name']}', the file's is '{board}'")
    return whole


def boards(folder):
    return sorted(name[:-5] for name in os.listdir(folder) if name.endswith(".toml"))


def size(text):
    """Bytes of a size such as 256M."""
    return int(text[:-1]) << 20

"""Debian packages as files: what is in them, and the same with a higher version."""

import re

import root


def field(deb, name):
    words = ["dpkg-deb", "--field", str(deb), name]
    return root.checked(root.run(words), words).strip()


def contents(deb):
    """The files of a package: path to (mode, owner)."""
    words = ["dpkg-deb", "--contents", str(deb)]
    rows = [line.split(maxsplit=5) for line in root.checked(root.run(words), words).splitlines()]
    return {row[5].split(" -> ")[0].removeprefix("."): (row[0], row[1]) for row in rows if not row[0].startswith("d")}


def repacked(deb, version, to, change=lambda folder: None):
    """The package again with a higher version and a changed file or two."""
    folder = to / version
    words = ["dpkg-deb", "--raw-extract", deb, folder]
    root.checked(root.run(words), words)
    control = folder / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.M))
    change(folder)
    higher = to / f"{version}.deb"
    words = ["dpkg-deb", "--build", "-Zgzip", "-z1", folder, higher]
    root.checked(root.run(words), words)
    return higher

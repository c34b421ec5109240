"""A forked sandbox's view, built with mounts as bubblewrap builds a cold one's."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import linux
from .view import Mount, with_parents

HOST = "/host"
"""Where the zygote sees the machine's files; a fork takes from there what it is given."""
NEW_ROOT, OLD_ROOT = "/tmp/root", "/.old"  # noqa: S108  the zygote's own /tmp
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
         "stderr": "/proc/self/fd/2", "core": "/proc/kcore", "ptmx": "pts/ptmx"}  # fmt: skip
PROTECTED = ("sys", "sysrq-trigger", "irq", "bus")


def enter_user_namespace() -> None:
    """A user namespace of its own, in which whoever we are stays who they are."""
    user, group = os.geteuid(), os.getegid()
    linux.unshare("user")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        Path("/proc/self", name).write_text(text)


def build(mounts: Sequence[Mount], trees: Mapping[str, int]) -> None:
    """Make a root of its own with this view, and keep the zygote's at OLD_ROOT for the moment.

    `trees`: what the zygote cannot see of the machine, because it was mounted later: by its path.
    """
    linux.set_attributes("/")  # private: nothing that is mounted here is seen elsewhere
    linux.mount("tmpfs", NEW_ROOT, "tmpfs", linux.NOSUID | linux.NODEV, "mode=0755,size=1m")
    _lay_out(mounts, NEW_ROOT, HOST, trees)
    Path(NEW_ROOT + OLD_ROOT).mkdir(0o700)
    linux.pivot_root(NEW_ROOT, NEW_ROOT + OLD_ROOT)
    os.chdir("/")


def close_host() -> None:
    """Take the zygote's root, and with it the machine's files, out of sight for good."""
    linux.unmount(OLD_ROOT)
    Path(OLD_ROOT).rmdir()
    for folder in ("/dev", "/"):
        linux.set_attributes(folder, "read-only", "nosuid", "nodev", recursive=False)


def lay_out_later(mounts: Sequence[Mount]) -> None:
    """Mount what a sandbox is given that was built already, before `close_host`."""
    _lay_out(mounts, "", OLD_ROOT + HOST, {})


def _lay_out(mounts: Sequence[Mount], root: str, host: str, trees: Mapping[str, int]) -> None:
    """Mount all of it below `root`; the machine's files are taken from below `host`."""
    for mount in with_parents(mounts):
        place = Path(root + mount.inside)
        match mount.kind:
            case "folder":
                if not place.is_dir():
                    place.mkdir(mount.mode)
            case "shown" | "writable":
                tree = trees.get(mount.source)
                _show(host + mount.source, tree, place, writable=mount.kind == "writable")
            case "memory":
                place.mkdir(exist_ok=True)
                options = f"size={mount.size},mode={mount.mode:o}"
                linux.mount("tmpfs", str(place), "tmpfs", linux.NOSUID | linux.NODEV, options)
            case "link":
                place.symlink_to(mount.source)
            case "text":
                place.write_text(mount.source)
                place.chmod(mount.mode)
            case "proc":
                _make_proc(place)
            case "dev":
                _make_dev(place, host)
            case "machine":
                raise ValueError("The whole machine is for the zygote alone.")


def _show(source: str, tree: int | None, place: Path, *, writable: bool) -> None:
    """Mount a file or folder of the machine, with all that is mounted in it."""
    if tree is not None or Path(source).is_dir():
        place.mkdir(exist_ok=True)
    elif not place.exists():
        place.touch(0o444)
    if tree is None:
        linux.mount(source, str(place), flags=linux.BIND | linux.RECURSIVE)
    else:
        linux.move_tree(tree, str(place))
        os.close(tree)
    attributes = ("nosuid", "nodev") if writable else ("read-only", "nosuid", "nodev")
    linux.set_attributes(str(place), *attributes)


def _make_proc(place: Path) -> None:
    """The processes of this sandbox; what root could write there is for reading."""
    place.mkdir(exist_ok=True)
    linux.mount("proc", str(place), "proc", linux.NOSUID | linux.NODEV | linux.NOEXEC)
    for name in PROTECTED:
        path = str(place / name)
        if os.access(path, os.W_OK):
            linux.mount(path, path, flags=linux.BIND)
            linux.set_attributes(path, "read-only", "nosuid", "nodev", "noexec", recursive=False)


def _make_dev(place: Path, host: str) -> None:
    """A few harmless devices, and terminals of its own."""
    place.mkdir(exist_ok=True)
    flags = linux.NOSUID | linux.NODEV
    linux.mount("tmpfs", str(place), "tmpfs", flags, "mode=0755,size=64k")
    for name in DEVICES:
        (place / name).touch()
        linux.mount(f"{host}/dev/{name}", str(place / name), flags=linux.BIND)
        linux.set_attributes(str(place / name), "nosuid", recursive=False)
    for name, target in LINKS.items():
        (place / name).symlink_to(target)
    (place / "pts").mkdir(0o755)
    flags = linux.NOSUID | linux.NOEXEC
    options = "newinstance,ptmxmode=0666,mode=620"
    linux.mount("devpts", str(place / "pts"), "devpts", flags, options)
    (place / "shm").mkdir(0o755)

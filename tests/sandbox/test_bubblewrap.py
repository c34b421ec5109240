"""What a program in the sandbox can see and reach."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from alphintra_lab.sandbox.access import allow_reading
from alphintra_lab.sandbox.bubblewrap import User, choose_user, make_options
from alphintra_lab.sandbox.limits import Limits
from alphintra_lab.sandbox.view import give, make_environment, make_view
from tests.sandbox.inside import run_inside


def test_the_hosts_loopback_is_not_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ended = run_inside(
            f"""
            import socket
            try:
                socket.create_connection(("127.0.0.1", {port}), timeout=1)
            except OSError as error:
                print(error.strerror)
            print(open("/proc/net/dev").read().count(":"))
            """
        )
    assert ended.stdout.splitlines() == [
        "Connection refused",
        "1",
    ]  # its own loopback, nothing else


def test_only_what_is_named_is_seen(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "bars.txt").write_text("bars")
    (tmp_path / "secret.txt").write_text("secret")
    unseen = [str(tmp_path), str(Path.home() / ".bashrc"), "/etc/shadow", "/home", "/var", "/sys"]
    ended = run_inside(
        f"""
        import os
        print(open("/data/bars.txt").read())
        print([path for path in {unseen!r} if os.path.exists(path)])
        print(*os.listdir("/etc"), *os.listdir("/lab"))
        """,
        readonly={"/data": str(tmp_path / "given")},
    )
    assert ended.stdout.splitlines()[:2] == ["bars", "[]"]
    shown = {"alternatives", "group", "ld.so.cache", "passwd", "alphintra_lab"}
    assert set(ended.stdout.splitlines()[2].split()) <= shown


def test_nothing_but_the_given_file_can_be_written(tmp_path: Path) -> None:
    given, shown = tmp_path / "out.txt", tmp_path / "shown"
    given.touch()
    given.chmod(0o666)
    shown.mkdir(mode=0o777)
    shown.chmod(0o777)
    ended = run_inside(
        """
        import os
        open("/out/result", "w").write("done")
        for path in ("/out/other", "/out/result.part", "/shown/new", "/new", "/usr/new", "/dev/new",
                     "/lab/new", "/etc/passwd", "/proc/sys/kernel/hostname"):
            try:
                open(path, "w")
                print("written", path)
            except OSError:
                pass
        try:
            os.replace("/tmp", "/out/result")
        except OSError as error:
            print("not replaced")
        """,
        writable={"/out/result": str(given)},
        readonly={"/shown": str(shown)},
    )
    assert ended.stdout == "not replaced\n"
    assert given.read_text() == "done"


def test_masked_paths_are_empty_inside_a_mount(tmp_path: Path) -> None:
    (tmp_path / ".keys").mkdir()
    (tmp_path / ".keys" / "key").write_text("secret")
    (tmp_path / ".env").write_text("SECRET=1")
    allow_reading(choose_user("test"), tmp_path)
    ended = run_inside(
        f"""
        import os
        print(os.listdir({str(tmp_path / ".keys")!r}))
        try:
            print(open({str(tmp_path / ".env")!r}).read())
        except PermissionError:
            print("refused")
        """,
        readonly={str(tmp_path): str(tmp_path)},
        masked=[str(tmp_path / ".keys"), str(tmp_path / ".env")],
    )
    assert ended.stdout.splitlines() == ["[]", "refused"]


def test_the_environment_is_the_listed_one_and_the_servers_is_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@db/lab")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    ended = run_inside(
        """
        import json, os
        print(json.dumps(dict(os.environ)))
        for process in ("1", "self"):
            try:
                print(open(f"/proc/{process}/environ").read())
            except OSError:
                pass
        print(open("/proc/1/cmdline").read())
        """,
        environment={"EXTRA": "1"},
    )
    found = json.loads(ended.stdout.splitlines()[0])
    assert found.pop("EXTRA") == "1"
    found.pop("PWD", None)
    assert found == make_environment()
    assert found["OPENBLAS_CORETYPE"] == "Haswell"
    assert "hunter2" not in ended.stdout


def test_it_runs_without_privileges_and_sees_only_itself() -> None:
    ended = run_inside(
        """
        import os
        status = dict(l.split(":", 1) for l in open("/proc/self/status").read().splitlines())
        print(os.getuid(), os.getgid(), os.getgroups())
        print({status[k].strip() for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")})
        print(status["NoNewPrivs"].strip(), status["Seccomp"].strip())
        print(sum(name.isdigit() for name in os.listdir("/proc")), os.uname().nodename)
        """
    )
    ids, capabilities, flags, processes = ended.stdout.splitlines()
    assert ids.split()[0] != "0" and ids.split()[1] != "0" and ids.endswith("[]")
    assert capabilities == "{'0000000000000000'}"
    assert flags == "1 2"
    assert processes == "2 lab"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could write them in the first place")
def test_the_hosts_settings_cannot_be_changed_where_the_lab_runs_as_root() -> None:
    before = Path("/proc/sys/vm/swappiness").read_text()
    ended = run_inside(
        """
        import os
        for path in ("sys/vm/swappiness", "sys/kernel/core_pattern", "sysrq-trigger"):
            try:
                os.open(f"/proc/{path}", os.O_WRONLY)
                print("opened", path)
            except OSError:
                pass
        try:
            os.setuid(0)
        except OSError:
            print("stays")
        """
    )
    assert ended.stdout == "stays\n"
    assert Path("/proc/sys/vm/swappiness").read_text() == before


def test_two_names_get_two_users_as_root_and_one_keeps_its_own() -> None:
    assert choose_user("a") == choose_user("a")
    if os.geteuid() == 0:
        assert choose_user("a").user != choose_user("b").user
        assert choose_user("a").user > 60_000
    else:
        assert choose_user("a").user == os.geteuid()


def test_a_missing_mount_stops_the_start(tmp_path: Path) -> None:
    ended = run_inside("print('ran')", readonly={"/data": str(tmp_path / "gone")})
    assert ended.returncode != 0
    assert "ran" not in ended.stdout and "bwrap:" in ended.stdout


def test_the_labs_package_and_its_environment_are_at_hand() -> None:
    ended = run_inside(
        f"""
        import sys
        sys.path.append({next(p for p in sys.path if p.endswith("site-packages"))!r})
        import alphintra_lab, msgspec
        print(alphintra_lab.__file__)
        """
    )
    assert ended.stdout == "/lab/alphintra_lab/__init__.py\n"


def test_inner_mounts_come_after_outer_ones() -> None:
    given = give({"/work": "/a", "/work/b/c": "/d"}, {"/work/b": "/e"})
    options = make_options(
        User(1000, 1000, real=False),
        [*make_view(Limits(), 1000, 1000), *given],
        keep=lambda data: 11,
        capabilities=[],
        environment={},
        cwd="/",
    )
    text = "\0".join(options)
    order = [text.index(f"\0{kind}\0{pair}") for kind, pair in
             (("--tmpfs", "/tmp"), ("--ro-bind", "/usr\0/usr"), ("--ro-bind", "/a\0/work"),
              ("--bind", "/e\0/work/b"), ("--ro-bind", "/d\0/work/b/c"))]  # fmt: skip
    # An environment, or a workspace, may lie in the host's /tmp.
    assert order == sorted(order)
    assert "--unshare-user" in options and "--unshare-net" in options

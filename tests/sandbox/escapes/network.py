"""Attacks on the network: the host's own services, the world outside, other kinds of sockets."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.sandbox.escapes.contract import Contained, World, attack, try_all

SECONDS = 0.5
HOST = 2  # VMADDR_CID_HOST
IP_PROTOCOLS = {"ICMP": (2, 1), "SCTP": (1, 132), "MPTCP": (1, 262), "UDP-Lite": (2, 136)}
# Families of which user code needs none, by number: Python may not know them.
FAMILIES = {"AX.25": 3, "IPX": 4, "key": 15, "netlink": 16, "packet": 17, "RDS": 21, "PPPoX": 24}
FAMILIES |= {"CAN": 29, "TIPC": 30, "Bluetooth": 31, "algorithm": 38, "NFC": 39, "vsock": 40}
FAMILIES |= {"KCM": 41, "Qualcomm IPC": 42, "SMC": 43, "XDP": 44, "MCTP": 45}


def hear(connection: socket.socket, address: object, mark: str) -> str:
    """Evidence that the host's listener, which says the mark, was reached."""
    with connection:
        connection.settimeout(SECONDS)
        connection.connect(address)  # type: ignore[arg-type]  # of the kind that the family has
        if connection.type == socket.SOCK_DGRAM:
            connection.send(b"?")
        said = connection.recv(100)
    if mark.encode() not in said:
        raise Contained(f"another one listens there: {said!r}")
    return f"the host's listener at {address!r} answered"


@attack()
def reach_a_service_on_the_hosts_loopback(world: World) -> str:
    tries = [
        partial(hear, socket.socket(family), (address, world.tcp), world.mark)
        for family, address in (
            (socket.AF_INET, "127.0.0.1"),
            (socket.AF_INET, "0.0.0.0"),
            (socket.AF_INET, "127.0.1.1"),
            (socket.AF_INET6, "::1"),
            (socket.AF_INET6, "::ffff:127.0.0.1"),
        )
    ]
    return try_all(tries)


@attack()
def reach_a_service_by_udp(world: World) -> str:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return hear(udp, ("127.0.0.1", world.udp), world.mark)


@attack(lacking=("no address",))
def reach_a_service_on_the_hosts_address(world: World) -> str:
    if not world.address:
        raise OSError("no address")
    return hear(socket.socket(), (world.address, world.tcp), world.mark)


@attack(lacking=("ENETUNREACH",))
def find_a_way_outside(world: World) -> str:
    """A UDP socket's connect sends nothing: it only finds the way."""
    targets = [(socket.AF_INET, "203.0.113.1"), (socket.AF_INET6, "2001:db8::1")]
    targets += [(socket.AF_INET, "169.254.169.254")]

    def find(family: socket.AddressFamily, address: str) -> str:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 53))
            return f"{address} would be reached from {probe.getsockname()[0]}"

    return try_all(partial(find, *target) for target in targets)


@attack()
def reach_an_abstract_socket(world: World) -> str:
    """As D-Bus and X11 have them."""
    return hear(socket.socket(socket.AF_UNIX), f"\0{world.abstract}", world.mark)


@attack()
def reach_a_unix_socket_of_the_host(world: World) -> str:
    paths = [world.socket, f"/proc/1/root{world.socket}"]
    return try_all(partial(hear, socket.socket(socket.AF_UNIX), path, world.mark) for path in paths)


@attack()
def write_into_the_hosts_log(world: World) -> str:
    """By a datagram, as syslog and systemd take them."""
    paths = ("/dev/log", "/run/systemd/journal/socket", world.socket)

    def reach(path: str) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            try:
                line.connect(path)
            except OSError as error:
                if error.errno != errno.EPROTOTYPE:  # it is there, and of another kind
                    raise
        return f"{path} is reached"

    return try_all(partial(reach, path) for path in paths)


@attack()
def reach_another_kernels_sockets(world: World) -> str:
    """Its ZeroMQ sockets greet whoever connects."""
    paths = sorted(Path(world.other_kernel).rglob("kernel-*"))
    if not paths:
        raise Contained("none is seen")

    def greet(path: Path) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS)
            connection.connect(os.fspath(path))
            return f"connected to {path}"

    return try_all(partial(greet, path) for path in paths)


@attack(lacking=("EAFNOSUPPORT",))
def reach_the_hypervisor_by_vsock(world: World) -> str:
    with socket.socket(FAMILIES["vsock"], socket.SOCK_STREAM) as vsock:
        vsock.bind((0xFFFFFFFF, 0xFFFFFFFF))
        return f"a vsock socket at {vsock.getsockname()!r}"


@attack()
def ask_the_kernel_by_netlink(world: World) -> str:
    """List the host's network interfaces: RTM_GETLINK, dump."""
    with socket.socket(FAMILIES["netlink"], socket.SOCK_RAW, 0) as netlink:
        netlink.settimeout(SECONDS)
        netlink.send(struct.pack("=IHHIIBxHiII", 32, 18, 0x301, 1, 0, 0, 0, 0, 0, 0))
        return f"{len(netlink.recv(65_536))} bytes about interfaces"


@attack(only_root=True)
def listen_to_all_packets(world: World) -> str:
    socket.socket(FAMILIES["packet"], socket.SOCK_RAW, 0).close()
    return "a packet socket"


@attack(only_root=True)
def forge_packets_with_a_raw_socket(world: World) -> str:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 255).close()
    return "a raw socket"


@attack(lacking=("EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT"))
def open_a_socket_of_a_rare_kind(world: World) -> str:
    """Each is a part of the kernel in which holes were found."""
    tries: list[Callable[[], str]] = []

    def make(name: str, *kind: int) -> str:
        socket.socket(*kind).close()
        return f"a socket of the kind {name}"

    for name, family in FAMILIES.items():
        tries += [partial(make, name, family, kind, 0) for kind in (1, 2, 3, 5)]
    for name, (kind, protocol) in IP_PROTOCOLS.items():
        tries.append(partial(make, name, socket.AF_INET, kind, protocol))
    return try_all(tries)


@attack(only_root=True)
def set_up_an_interface(world: World) -> str:
    """SIOCSIFFLAGS on the loopback, with the flags that it has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(control, 0x8913, request))[1]
        fcntl.ioctl(control, 0x8914, struct.pack("16sH22x", b"lo", flags))
    return "the loopback's flags were set"


@attack()
def see_the_hosts_connections(world: World) -> str:
    """What the host listens on stands in /proc/net."""
    wanted = f":{world.tcp:04X} "
    for name in ("tcp", "tcp6", "udp", "unix"):
        content = Path(f"/proc/self/net/{name}").read_text()
        if wanted in content or world.abstract in content:
            return f"/proc/net/{name} shows the host's listener"
    raise Contained("they are not seen")

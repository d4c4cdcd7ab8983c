"""Small texts of the kernel, and names that users give: CPU lists, mounts, routes, namespaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from netbpf.errors import InputError, NotFoundError, NotSupportedError, UsageError
from netbpf.kernel import bpffs, cpus, interface, maps, netns
from netbpf.kernel.interface import Interface
from netbpf.proto.linktype import LinkType


@pytest.mark.parametrize(
    ("text", "count"),
    [("0\n", 1), ("0-3\n", 4), ("0-3,8-11\n", 8), ("0,2,4", 3), ("0-127", 128)],
)
def test_possible_cpus(text: str, count: int) -> None:
    assert cpus.count(text) == count


@pytest.mark.parametrize("text", ["", "x", "0-", "-1", "0,,1"])
def test_no_cpu_list(text: str) -> None:
    with pytest.raises(InputError):
        cpus.count(text)


MOUNTS = r"""21 1 0:19 / /sys rw,nosuid - sysfs sysfs rw
25 21 0:22 / /sys/fs/bpf rw,relatime shared:9 - bpf bpf rw,mode=700
26 21 0:23 / /sys/fs/bpf/deep/other rw - tmpfs tmpfs rw
30 1 0:24 / /mnt/with\040space rw - bpf none rw
31 1 0:25 / /twice rw - bpf none rw
32 31 0:26 / /twice rw - tmpfs none rw
"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/sys/fs/bpf", True),
        ("/sys/fs/bpf/netbpf/web", True),
        ("/sys/fs/bpf/deep/other/x", False),
        ("/sys/fs/bpffs", False),
        ("/sys", False),
        ("/mnt/with space", True),
        ("/twice", False),
        ("/", False),
    ],
)
def test_mounted(path: str, found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpffs, "read", lambda _: MOUNTS)
    assert bpffs.mounted(Path(path)) is found


def test_root_of_the_bpf_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETBPF_BPFFS", raising=False)
    assert bpffs.root() == Path("/sys/fs/bpf")
    monkeypatch.setenv("NETBPF_BPFFS", "/elsewhere")
    assert bpffs.root() == Path("/elsewhere")


ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t00000000\t0100000A\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t010000C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
down\t00000000\t010000C0\t0002\t0\t0\t0\t00000000\t0\t0\t0
half\t00000000\t010000C0\t0003\t0\t0\t0\t00000080\t0\t0\t0
eth2\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
"""
ZERO = "0" * 32
ROUTES6 = f"""\
{ZERO} 00 {ZERO} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth6
{ZERO} 00 {ZERO} 00 {ZERO} ffffffff 00000001 00000000 00200200 lo
fe80{"0" * 28} 40 {ZERO} 00 {ZERO} 00000100 00000001 00000000 00000001 eth0
"""


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "found"),
    [(ROUTES, ROUTES6, "eth0"), ("", ROUTES6, "eth6"), (ROUTES, "", "eth0")],
)
def test_default_route(ipv4: str, ipv6: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"/proc/thread-self/net/route": ipv4, "/proc/thread-self/net/ipv6_route": ipv6}
    monkeypatch.setattr(interface, "read", texts.__getitem__)
    assert interface.default_route() == found


def test_no_default_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface, "read", lambda _: "")
    with pytest.raises(NotFoundError, match="no default route") as caught:
        interface.default_route()
    assert caught.value.remedy == "name one: -i IFACE"


@pytest.mark.parametrize(
    ("hardware", "linktype"),
    [
        (1, LinkType.EN10MB),
        (772, LinkType.EN10MB),
        (0xFFFE, LinkType.RAW),
        (512, LinkType.RAW),
        (519, LinkType.RAW),
        (768, LinkType.RAW),
        (769, LinkType.RAW),
        (776, LinkType.RAW),
        (778, LinkType.RAW),
        (823, LinkType.RAW),
    ],
)
def test_linktype(hardware: int, linktype: LinkType) -> None:
    assert Interface("x", 3, hardware, 1500, up=True).linktype is linktype


@pytest.mark.parametrize("hardware", [0, 24, 32, 280, 801, 803, 824])
def test_unknown_hardware(hardware: int) -> None:
    with pytest.raises(NotSupportedError, match=f"wlan0 has link type ARPHRD {hardware}"):
        assert Interface("wlan0", 3, hardware, 1500, up=True).linktype


@pytest.mark.parametrize("name", ["nonesuch", "", "x" * 100, "a\0b", "ü", "eth0 ", "-i"])
def test_unknown_interface_lists_those_there_are(name: str) -> None:
    with pytest.raises(NotFoundError, match="there is no interface") as caught:
        interface.find(name)
    assert "lo" in caught.value.remedy


def test_loopback() -> None:
    lo = interface.find("lo")
    assert (lo.name, lo.linktype) == ("lo", LinkType.EN10MB)
    assert lo.mtu > 0
    assert interface.exists(lo.index)
    assert interface.driver("lo") == ""
    assert not interface.exists(2**31 - 1)


@pytest.mark.parametrize(
    ("where", "path"),
    [
        (None, ""),
        ("blue", "/run/netns/blue"),
        ("/proc/1/ns/net", "/proc/1/ns/net"),
        ("./here", "./here"),
        ("4194305", "/proc/4194305/ns/net"),
    ],
)
def test_where_a_namespace_is(where: str | None, path: str) -> None:
    assert netns.locate(where) == path


@pytest.mark.parametrize("where", ["", ".", "..", "a\0b"])
def test_no_namespace(where: str) -> None:
    with pytest.raises(UsageError):
        netns.Netns.open(where)


@pytest.mark.parametrize("where", ["nonesuch", "/nonesuch/x", "4194305", "/etc/passwd/x"])
def test_unknown_namespace(where: str) -> None:
    with pytest.raises(NotFoundError, match="no network namespace"):
        netns.Netns.open(where)


def test_own_namespace_is_entered_without_privilege() -> None:
    with netns.Netns.open() as here, here.entered(), here.locked():
        assert here.name == ""
        found = netns.Netns.find(here.identity)
    assert found is not None
    with found:
        assert found.path == "/proc/thread-self/ns/net"
    here.close()


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("netbpf", b"netbpf"),
        ("batch.records", b"batch.records"),
        ("a-b c/ä", b"a_b_c__"),
        ("x" * 40, b"x" * 15),
        ("", b""),
    ],
)
def test_object_names(name: str, kernel: bytes) -> None:
    assert maps.object_name(name) == kernel

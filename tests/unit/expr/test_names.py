"""The system as a resolver."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from netbpf.expr.names import NoNames, SystemResolver
from netbpf.expr.services import SERVICES, TRANSPORTS


def test_hosts() -> None:
    found4, found6 = SystemResolver().hosts("127.0.0.1")
    assert (found4, found6) == ((0x7F000001,), ())
    assert SystemResolver().hosts("::1") == ((), (1,))
    assert SystemResolver().hosts("fe80::1%1")[1] == (0xFE80 << 112 | 1,)


@pytest.mark.parametrize("name", ["a..b", "x" * 300, "\0", "\ud800", "é" * 100, ""])
def test_no_name_at_all(name: str) -> None:
    resolver = SystemResolver()
    if name:
        assert resolver.hosts(name) == ((), ())
    assert resolver.port(name, "tcp") is None
    assert resolver.protocol(name) is None
    assert resolver.interface(name) is None
    assert resolver.network(name) is None
    assert resolver.ether(name) is None


def test_hosts_are_sorted_and_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> list[object]:
        return [
            (socket.AF_INET, 0, 0, "", ("10.0.0.2", 0)),
            (socket.AF_INET6, 0, 0, "", ("::2", 0, 0, 0)),
            (socket.AF_INET, 0, 0, "", ("10.0.0.1", 0)),
            (socket.AF_INET, 0, 0, "", ("10.0.0.2", 0)),
            (socket.AF_UNIX, 0, 0, "", ("/x",)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert SystemResolver().hosts("x") == ((0x0A000001, 0x0A000002), (2,))


def test_files(tmp_path: Path) -> None:
    ethers = tmp_path / "ethers"
    ethers.write_text("# comment\n\n00:11:22:33:44:55 one # x\n0:1:2:3:4:5\ttwo\nnonsense three\n")
    networks = tmp_path / "networks"
    networks.write_text(
        "default 0.0.0.0\nloop 127 lo localnet # x\nten 10.1\nbad 1.x\nlong 1.2.3.4.5"
    )
    resolver = SystemResolver(ethers=ethers, networks=networks)
    assert resolver.ether("one") == 0x001122334455
    assert resolver.ether("two") == 0x000102030405
    assert resolver.ether("three") is None
    assert resolver.network("loop") == resolver.network("localnet") == 127
    assert resolver.network("ten") == 0x0A01
    assert resolver.network("bad") is None
    assert resolver.network("long") is None
    assert SystemResolver(ethers=tmp_path / "none").ether("one") is None


def test_interface() -> None:
    assert SystemResolver().interface("lo") == socket.if_nametoindex("lo")


def test_usual_services_without_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def getservbyname(name: str, transport: str) -> int:
        if (name, transport) == ("ssh", "udp"):
            return 2222
        raise OSError

    monkeypatch.setattr(socket, "getservbyname", getservbyname)
    resolver = SystemResolver()
    assert resolver.port("http", "tcp") == 80
    assert resolver.port("http", "udp") is None
    assert resolver.port("domain", "udp") == 53
    assert resolver.port("nosuch", "tcp") is None
    # what the system knows at all, it knows best
    assert resolver.port("ssh", "udp") == 2222
    assert resolver.port("ssh", "tcp") is None


def test_the_table_agrees_with_the_system() -> None:
    wrong = {}
    for name, service in SERVICES.items():
        for transport in TRANSPORTS:
            try:
                port = socket.getservbyname(name, transport)
            except OSError:
                continue
            if port != service.port:
                wrong[name, transport] = port
    assert wrong == {}


def test_no_names() -> None:
    none = NoNames()
    assert none.hosts("localhost") == ((), ())
    assert none.port("http", "tcp") is None
    assert none.protocol("tcp") is None
    assert none.interface("lo") is None
    assert none.ether("x") is none.network("loopback") is None

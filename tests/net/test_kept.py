"""Attachments that stay: made, found by another process, taken away, and half made."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from netbpf.errors import ConflictError, InputError, KernelError, NotFoundError, UsageError
from netbpf.kernel import bpffs, interface
from netbpf.kernel.netns import Netns
from netbpf.link import kept as lasting
from netbpf.link import netlink, xdp
from netbpf.link.base import Description
from netbpf.link.xdp import XdpMode
from netbpf.objects import Map, Program, pins
from netbpf.objects.pins import Pins
from netbpf.records import replace
from netbpf.spec import MapSpec, ProgramSpec, Target
from netbpf.uapi.bpf import MapType, ProgType
from netbpf.uapi.pkt_cls import EGRESS
from tests.support.bpffs import private
from tests.support.kernel_objects import Watch
from tests.support.netns import Namespace, namespace, pair, wait_until
from tests.support.programs import HITS, counting, hits, returning
from tests.support.tools import scaled

pytestmark = pytest.mark.root

FRAME = bytes.fromhex("ffffffffffff 020000000001 88b5").ljust(60, b"\0")

XDP = replace(counting(2, name="netbpf_kept"), target=Target.XDP, text="tcp port 80")
TC = replace(counting(-1, ProgType.SCHED_CLS), target=Target.TC)
EGRESS_TC = replace(TC, target=Target.TC_EGRESS)
SPECS = pytest.mark.parametrize(
    "spec", [XDP, TC, EGRESS_TC], ids=lambda spec: spec.target.value if spec.target else ""
)


@pytest.fixture
def ends() -> Iterator[tuple[Namespace, Namespace]]:
    with pair() as made:
        yield made


@pytest.fixture
def store() -> Iterator[Pins]:
    with private() as root:
        yield Pins(root)


def keep(
    spec: ProgramSpec, where: Namespace, store: Pins, *, name: str = "web", path: str = ""
) -> Description:
    with Netns.open(where.name) as inside, inside.entered(), Program.load(spec) as program:
        veth = interface.find(where.device)
        link = lasting.keep(program, spec, veth, name=name, pins=store, netns=path)
        link.leave()
        return link.describe()


@SPECS
def test_kept_found_and_detached(
    spec: ProgramSpec, ends: tuple[Namespace, Namespace], store: Pins
) -> None:
    near, far = ends
    described = keep(spec, near, store, path="near")
    assert (described.interface, described.target) == ("veth0", spec.target)

    (entry,) = store.entries()
    assert (entry.name, entry.broken) == ("web", "")
    kept = entry.kept
    assert kept is not None
    assert (kept.expression, kept.netns, kept.target) == (spec.text, "near", spec.target)
    assert kept.prog_id == described.prog_id

    (far if spec.target is not Target.TC_EGRESS else near).send([FRAME] * 6)
    with store.open("web") as program:
        wait_until(lambda: hits(program.maps[HITS]) == 6, what="the packets are counted")
        assert program.info.tag == kept.tag

    link = lasting.find(kept, store)
    assert link is not None
    assert link.describe() == described
    assert link.alive()
    link.leave()

    assert lasting.detach("web", store) == described
    assert store.entries() == []
    assert not store.home.exists()
    with near.entered():
        veth = interface.find("veth0")
        assert netlink.xdp_state(veth.index) == netlink.XdpState()
        assert netlink.clsact_kind(veth.index) == ""


def test_name_is_taken(ends: tuple[Namespace, Namespace], store: Pins) -> None:
    keep(XDP, ends[0], store)
    for spec in (XDP, TC):
        with pytest.raises(ConflictError, match="'web' already") as caught:
            keep(spec, ends[1], store)
        assert "netbpf detach web" in caught.value.remedy
    assert [entry.name for entry in store.entries()] == ["web"]
    with ends[1].entered():
        assert netlink.xdp_state(interface.find("veth0").index) == netlink.XdpState()
    assert lasting.detach("web", store) is not None


def test_conflict_on_the_interface_leaves_no_pins(
    ends: tuple[Namespace, Namespace], store: Pins
) -> None:
    keep(XDP, ends[0], store)
    with pytest.raises(ConflictError, match="'netbpf_kept' \\(native\\)"):
        keep(XDP, ends[0], store, name="second")
    assert [entry.name for entry in store.entries()] == ["web"]


def test_several_side_by_side(ends: tuple[Namespace, Namespace], store: Pins) -> None:
    for number, spec in enumerate([XDP, TC, TC, EGRESS_TC]):
        keep(spec, ends[0], store, name=f"k{number}")
    assert [entry.name for entry in store.entries()] == ["k0", "k1", "k2", "k3"]
    for name in ("k1", "k3", "k0"):
        assert lasting.detach(name, store) is not None
    (left,) = store.entries()
    assert left.kept is not None
    link = lasting.find(left.kept, store)
    assert link is not None
    with ends[0].entered():
        assert netlink.clsact_kind(interface.find("veth0").index) == "clsact"
        link.close()
        assert netlink.clsact_kind(interface.find("veth0").index) == ""


@SPECS
def test_interface_is_gone(
    spec: ProgramSpec, ends: tuple[Namespace, Namespace], store: Pins
) -> None:
    keep(spec, ends[0], store)
    ends[0].run("ip", "link", "del", "veth0")
    (entry,) = store.entries()
    assert entry.kept is not None
    assert lasting.find(entry.kept, store) is None
    assert lasting.detach("web", store) is None
    assert store.entries() == []


@SPECS
def test_namespace_is_gone(spec: ProgramSpec, store: Pins) -> None:
    with namespace() as alone:
        alone.run("ip", "link", "add", "veth0", "type", "veth", "peer", "veth1")
        keep(spec, alone, store)
    (entry,) = store.entries()
    assert entry.kept is not None
    kept = entry.kept
    wait_until(lambda: Netns.find(kept.netns_id) is None, what="the namespace is gone")
    assert lasting.find(kept, store) is None
    assert lasting.detach("web", store) is None


def test_replaced_by_somebody_else(ends: tuple[Namespace, Namespace], store: Pins) -> None:
    keep(XDP, ends[0], store)
    with ends[0].entered(), Program.load(returning(2, name="usurper")) as theirs:
        veth = interface.find("veth0")
        with xdp.attach_lasting(theirs, veth, mode=XdpMode.NATIVE, force=True) as other:
            assert lasting.detach("web", store) is None
            assert other.alive()


@pytest.mark.parametrize("target", [None, Target.SOCKET, Target.CBPF])
def test_sockets_cannot_be_kept(target: Target | None, store: Pins) -> None:
    spec = replace(counting(0, ProgType.SOCKET_FILTER), target=target)
    with namespace() as where, pytest.raises(UsageError, match="socket"):
        keep(spec, replace(where, device="lo"), store)
    assert store.entries() == []


BAD_NAMES = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "/etc",
    "-x",
    "_new_1_x",
    "a.b",
    "ä",
    "a" * 65,
    "a\n",
    "a b",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_odd_names_are_refused_everywhere(name: str, store: Pins) -> None:
    with namespace() as where:
        where.run("ip", "link", "add", "veth0", "type", "veth", "peer", "veth1")
        with pytest.raises(UsageError, match="not a name"):
            keep(XDP, where, store, name=name)
        with where.entered():
            assert netlink.xdp_state(interface.find("veth0").index) == netlink.XdpState()
    for refused in (store.kept, store.open):
        with pytest.raises(UsageError):
            refused(name)
    with pytest.raises((UsageError, NotFoundError)):
        store.remove(name)


def test_unknown_names(store: Pins) -> None:
    for unknown in (store.kept, store.open, store.remove):
        with pytest.raises(NotFoundError, match="nothing is kept by the name 'web'"):
            unknown("web")
    with pytest.raises(NotFoundError):
        lasting.detach("web", store)
    with pytest.raises(NotFoundError):
        lasting.detach("_new_1_web", store)


def test_without_bpf_file_system(tmp_path: Path) -> None:
    store = Pins(tmp_path)
    assert store.entries() == []
    with namespace() as where:
        where.run("ip", "link", "add", "veth0", "type", "veth", "peer", "veth1")
        with pytest.raises(NotFoundError, match="no BPF file system is mounted") as caught:
            keep(XDP, where, store)
        assert caught.value.remedy == f"mount -t bpf bpf {tmp_path}"
        with where.entered():
            assert netlink.xdp_state(interface.find("veth0").index) == netlink.XdpState()
    assert list(tmp_path.iterdir()) == []


def test_mounted_on_demand(tmp_path: Path) -> None:
    target = tmp_path / "with space"
    target.mkdir()
    assert not bpffs.mounted(target)
    bpffs.ensure(target, may_mount=True)
    try:
        assert bpffs.mounted(target)
        assert bpffs.mounted(target / "below")
        bpffs.ensure(target)
    finally:
        subprocess.run(["umount", target], check=True)
    assert not bpffs.mounted(target)
    with pytest.raises(NotFoundError, match="no directory"):
        bpffs.mount(tmp_path / "absent")
    (target / "precious").touch()
    with pytest.raises(ConflictError, match="not empty"):
        bpffs.ensure(target, may_mount=True)
    assert not bpffs.mounted(target)


def dead_process() -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


@pytest.mark.parametrize(("state", "told"), [("new", "being kept"), ("old", "being removed")])
def test_left_by_a_killed_process(
    state: str, told: str, ends: tuple[Namespace, Namespace], store: Pins
) -> None:
    keep(XDP, ends[0], store)
    half = f"_{state}_{dead_process()}_web"
    (store.home / "web").rename(store.home / half)
    (entry,) = store.entries()
    assert (entry.name, entry.kept) == (half, None)
    assert f"'web' was {told} by a process that died" in entry.broken
    assert lasting.detach(half, store) is None
    assert store.entries() == []


def test_work_of_a_living_process_is_not_listed(
    ends: tuple[Namespace, Namespace], store: Pins
) -> None:
    keep(XDP, ends[0], store)
    (store.home / "web").rename(store.home / f"_new_{os.getpid()}_web")
    assert store.entries() == []


@pytest.mark.parametrize("missing", ["prog", "meta", f"map_{HITS}"])
def test_damaged_pins_can_be_removed(
    missing: str, ends: tuple[Namespace, Namespace], store: Pins
) -> None:
    keep(XDP, ends[0], store)
    (store.home / "web" / missing).unlink()
    (entry,) = store.entries()
    assert bool(entry.broken) == (missing != f"map_{HITS}")
    lasting.detach("web", store)
    assert store.entries() == []


@pytest.mark.parametrize("content", [b"\0", b"[1]", b"{}", b"\xff" * 40], ids=repr)
def test_description_of_somebody_else(
    content: bytes, ends: tuple[Namespace, Namespace], store: Pins
) -> None:
    keep(XDP, ends[0], store)
    meta = store.home / "web" / "meta"
    meta.unlink()
    spec = MapSpec("x", MapType.ARRAY, 4, len(content), 1, init=((bytes(4), content),))
    with Map.create(spec) as other:
        other.pin(str(meta))
    with pytest.raises(InputError):
        store.kept("web")
    (entry,) = store.entries()
    assert entry.broken
    lasting.detach("web", store)
    assert store.entries() == []


def test_description_cannot_be_changed(ends: tuple[Namespace, Namespace], store: Pins) -> None:
    keep(XDP, ends[0], store)
    path = str(store.home / "web" / "meta")
    with Map.pinned(path) as meta, pytest.raises(KernelError, match="EPERM"):
        meta.update(bytes(4), bytes(meta.value_size))


def test_killed_at_any_moment(ends: tuple[Namespace, Namespace], store: Pins) -> None:
    """A process killed while it keeps a filter leaves nothing that cannot be detached."""
    for delay in [n * 0.0007 for n in range(24)]:
        child = os.fork()
        if child == 0:
            try:
                keep(TC, ends[0], store, name="victim")
            finally:
                os._exit(0)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for entry in store.entries():
            lasting.detach(entry.name, store)
        assert store.entries() == []
        with ends[0].entered():
            index = interface.find("veth0").index
            assert netlink.filters(index, EGRESS) == ()


def test_two_hundred_rounds_leak_nothing(ends: tuple[Namespace, Namespace], store: Pins) -> None:
    made = Watch(f"kept{os.getpid()}")
    spec = replace(TC, name=made.name)
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    rounds = scaled(200)
    for _ in range(rounds):
        keep(spec, ends[0], store)
        made.look()
        assert lasting.detach("web", store) is not None
    assert len(made.seen) >= 2 * rounds
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before
    assert not store.home.exists()
    wait_until(lambda: not made.left(), what="the kernel has let go of everything")


def test_check_name_takes_plain_names() -> None:
    for name in ("web", "a", "A-1_b", "9", "a" * 64):
        assert pins.check_name(name) == name

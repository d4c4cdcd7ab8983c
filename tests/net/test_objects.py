"""Programs and maps in the kernel: contents, refusals, limits, and nothing left behind."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from errno import EINVAL
from pathlib import Path

import pytest

from netbpf.asm import ebpf
from netbpf.asm.ebpf import Insn, Jmp
from netbpf.errors import InputError, KernelError, Span, VerifierError
from netbpf.kernel import cpus, info, interface, maps, progs
from netbpf.kernel.errors import ENOTSUPP
from netbpf.kernel.netns import fresh
from netbpf.link import socket_filter, tc, tcx, xdp
from netbpf.link.base import Link
from netbpf.objects import Map, Program
from netbpf.objects.program import patched
from netbpf.records import replace
from netbpf.spec import MapSpec, ProgramSpec, Target
from netbpf.uapi.bpf import MapFlag, MapType, ProgType, UpdateFlag
from tests.support.programs import FRAGS, HITS, counting, hits, returning
from tests.support.tools import REPOSITORY, require_tool

pytestmark = pytest.mark.root

FRAME = bytes(12) + b"\x08\x00" + bytes(50)


def u32(number: int) -> bytes:
    return struct.pack("=I", number)


def u64(number: int) -> bytes:
    return struct.pack("=Q", number)


# ---------------------------------------------------------------------------- maps

KEYED = [MapType.HASH, MapType.LRU_HASH, MapType.PERCPU_HASH, MapType.LRU_PERCPU_HASH]


@pytest.mark.parametrize("type_", KEYED, ids=lambda t: t.name)
def test_hash_entries_come_and_go(type_: MapType) -> None:
    with Map.create(MapSpec("m", type_, 4, 8, 16)) as made:
        assert list(made.items()) == []
        assert made.lookup(u32(1)) is None
        assert not made.delete(u32(1))
        made.update(u32(1), u64(10))
        made.update(u32(2), u64(20))
        value = made.lookup(u32(1))
        assert value is not None
        assert set(made.split(value)) == {u64(10)}
        assert set(made.keys()) == {u32(1), u32(2)}
        with pytest.raises(KernelError, match="EEXIST"):
            made.update(u32(1), u64(11), UpdateFlag.NOEXIST)
        with pytest.raises(KernelError, match="ENOENT"):
            made.update(u32(3), u64(11), UpdateFlag.EXIST)
        assert made.delete(u32(1))
        assert {key for key, _ in made.items()} == {u32(2)}


@pytest.mark.parametrize("size", [1, 4, 8, 12, 24])
@pytest.mark.parametrize("type_", [MapType.PERCPU_ARRAY, MapType.PERCPU_HASH], ids=lambda t: t.name)
def test_per_cpu_values_have_a_part_for_every_possible_cpu(type_: MapType, size: int) -> None:
    spec = MapSpec("m", type_, 4, size, 3, init=((u32(0), b"a" * size),))
    with Map.create(spec) as made:
        slot = (size + 7) // 8 * 8
        assert made.value_size == slot * cpus.possible()
        value = made.lookup(u32(0))
        assert value is not None
        assert made.split(value) == [b"a" * size] * cpus.possible()
        different = b"".join(
            bytes([cpu]) * size + bytes(slot - size) for cpu in range(cpus.possible())
        )
        made.update(u32(1), different)
        found = dict(made.items())[u32(1)]
        assert made.split(found) == [bytes([cpu]) * size for cpu in range(cpus.possible())]


@pytest.mark.parametrize(
    "type_", [MapType.ARRAY, MapType.PERCPU_ARRAY, *KEYED], ids=lambda t: t.name
)
def test_many_entries_in_batches_and_one_by_one(type_: MapType) -> None:
    entries = tuple((u32(n), u64(n * n)) for n in range(10_000))
    lru = type_ in (MapType.LRU_HASH, MapType.LRU_PERCPU_HASH)
    room = 40_000 if lru else 10_000  # LRU tables evict before they are full
    with Map.create(MapSpec("m", type_, 4, 8, room, init=entries)) as made:
        batched = dict(made.items())
        assert len(batched) == 10_000
        assert {key: made.split(value)[-1] for key, value in batched.items()} == dict(entries)
        assert dict(made._one_by_one()) == batched


def test_without_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Linux 5.6 the kernel answers EINVAL."""

    def absent(*_: object, **__: object) -> maps.Batch:
        raise KernelError("no", command="BPF_MAP_LOOKUP_BATCH", errno=EINVAL)

    monkeypatch.setattr(maps, "lookup_batch", absent)
    monkeypatch.setattr(maps, "update_batch", absent)
    entries = tuple((u32(n), u64(n)) for n in range(100))
    with Map.create(MapSpec("m", MapType.HASH, 4, 8, 100, init=entries)) as made:
        assert dict(made.items()) == dict(entries)


def test_an_array_without_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Linux 5.13 the kernel answers ENOTSUPP for arrays with a value for each CPU."""
    entries = tuple((u32(n), u64(n * n)) for n in range(10_000))
    with Map.create(MapSpec("m", MapType.PERCPU_ARRAY, 4, 8, 10_000, init=entries)) as made:
        batched = list(made.items())

        def absent(*_: object, **__: object) -> maps.Batch:
            raise KernelError("no", command="BPF_MAP_LOOKUP_BATCH", errno=ENOTSUPP)

        monkeypatch.setattr(maps, "lookup_batch", absent)
        assert list(made.items()) == batched
        assert len(batched) == 10_000


def test_frozen_map_is_read_only() -> None:
    spec = MapSpec(
        "m", MapType.ARRAY, 4, 8, 1, MapFlag.RDONLY_PROG, ((u32(0), u64(5)),), freeze=True
    )
    with Map.create(spec) as made:
        assert made.lookup(u32(0)) == u64(5)
        with pytest.raises(KernelError, match="EPERM"):
            made.update(u32(0), u64(6))


def test_full_map_says_so() -> None:
    with Map.create(MapSpec("m", MapType.HASH, 4, 8, 2)) as made:
        made.write([(u32(1), u64(1)), (u32(2), u64(2))])
        with pytest.raises(KernelError, match="the map is full"):
            made.update(u32(3), u64(3))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (MapSpec("m", MapType.ARRAY, 8, 8, 1), "does not know the map's type, sizes"),
        (MapSpec("m", MapType.HASH, 4, 8, 0), "does not know the map's type, sizes"),
        (MapSpec("m", MapType.HASH, 4, 8, 2**32 - 1), "larger than this kernel allows"),
        (MapSpec("m", MapType.ARRAY, 4, 8, 1, init=((u32(7), u64(1)),)), "the map is full"),
    ],
)
def test_impossible_maps(spec: MapSpec, told: str) -> None:
    with nothing_left(), pytest.raises(KernelError, match=told):
        Map.create(spec)


def test_adopting_what_is_no_map() -> None:
    with Program.load(returning(0)) as program, nothing_left():
        with pytest.raises(InputError, match="expected a bpf-map, found a bpf-prog"):
            Map.adopt(os.dup(program.fd))
        with Path("/dev/null").open() as null, pytest.raises(KernelError):
            Map.adopt(os.dup(null.fileno()))


# ------------------------------------------------------------------------ programs


@pytest.mark.parametrize(
    ("type_", "value", "retval", "action"),
    [
        (ProgType.XDP, 2, 2, 2),
        (ProgType.SCHED_CLS, -1, 2**32 - 1, -1),
        (ProgType.SOCKET_FILTER, 262144, 262144, 262144),
    ],
    ids=lambda x: x.name if isinstance(x, ProgType) else "",
)
def test_test_run(type_: ProgType, value: int, retval: int, action: int) -> None:
    with Program.load(counting(value, type_)) as program:
        for number in range(1, 4):
            outcome = program.test_run(FRAME)
            assert (outcome.retval, outcome.action) == (retval, action)
            assert hits(program.maps[HITS]) == number
        program.test_run(FRAME, repeat=10)
        assert hits(program.maps[HITS]) == 13
        hidden = 14 if type_ is ProgType.SOCKET_FILTER else 0
        assert program.test_run(FRAME, keep_data=True).data[hidden:] == FRAME[hidden:]


@pytest.mark.needs_kernel("contexts for test runs at XDP", since="5.15")
def test_test_run_with_a_context() -> None:
    """struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress."""
    read_index = (ebpf.load(4, 0, 1, 12), ebpf.leave())
    with Program.load(replace(returning(0), insns=read_index)) as program:
        ctx = struct.pack("=6I", 0, len(FRAME), 0, 1, 0, 0)
        outcome = program.test_run(FRAME, ctx=ctx)
        assert outcome.retval == 1
        assert outcome.ctx == ctx


def test_test_run_refuses_what_the_kernel_cannot_make() -> None:
    size = 13 if FRAGS else 5000  # old kernels take less than a page, and any little
    with (
        Program.load(returning(2)) as program,
        pytest.raises(KernelError, match=rf"cannot test a program on a packet of {size} bytes"),
    ):
        program.test_run(bytes(size))


@pytest.mark.parametrize("level", [0, 1, 2])
def test_log_of_a_program_that_loads(level: int) -> None:
    with Program.load(counting(2), log_level=level) as program:
        assert ("processed" in program.log) == bool(level)


REFUSED = ProgramSpec(
    name="refused",
    type=ProgType.XDP,
    attach_type=None,
    insns=(ebpf.load(4, 1, 1, 0), ebpf.load(1, 0, 1, 12), ebpf.leave()),
    maps=(),
    map_refs=(),
    text="ip and tcp port 80",
    spans=(None, Span(7, 18), None),
)


def test_refusal_points_into_the_expression() -> None:
    with nothing_left(), pytest.raises(VerifierError) as caught:
        Program.load(REFUSED)
    error = caught.value
    assert error.span == Span(7, 18)
    assert error.line.startswith("invalid access to packet, off=12 size=1")
    assert error.message == (
        "the kernel's verifier refuses the program, at 'tcp port 80': "
        f"{error.line} (BPF_PROG_LOAD: EACCES)"
    )
    assert "processed 2 insns" in error.log


def test_refusal_without_spans() -> None:
    with pytest.raises(VerifierError) as caught:
        Program.load(replace(REFUSED, spans=(), text=""))
    assert caught.value.span is None


def test_log_longer_than_the_first_buffer() -> None:
    """Some hundred kilobytes, with the complaint at the end."""
    nops = (ebpf.mov(0, 0), ebpf.mov(2, 7)) * 4000
    end = (ebpf.load(4, 3, 9, 0), ebpf.leave())
    with pytest.raises(VerifierError) as caught:
        Program.load(replace(REFUSED, insns=(*nops, *end), spans=()))
    assert caught.value.line == "R9 !read_ok"
    assert len(caught.value.log) > 1 << 17
    assert caught.value.log.startswith("0: ")


def test_maps_by_value() -> None:
    """A direct value (pseudo source 2) keeps its source and its offset."""
    spec = ProgramSpec(
        name="direct",
        type=ProgType.XDP,
        attach_type=None,
        insns=(
            Insn(0x18, 1, 2, 0, 0),
            Insn(0, 0, 0, 0, 8),
            ebpf.load(8, 0, 1, 0),
            ebpf.leave(),
        ),
        maps=(MapSpec("data", MapType.ARRAY, 4, 16, 1, init=((u32(0), u64(3) + u64(77)),)),),
        map_refs=((0, "data"),),
    )
    assert patched(spec, {"data": 9})[0] == Insn(0x18, 1, 2, 0, 9)
    with Program.load(spec) as program:
        assert program.test_run(FRAME).retval == 77


def test_unknown_program_flags_are_no_verifier_matter() -> None:
    with nothing_left(), pytest.raises(KernelError, match="does not know the program's type"):
        Program.load(replace(returning(0), flags=1 << 30))  # on purpose


def test_a_bound_map_lives_as_long_as_the_program() -> None:
    spec = MapSpec("netbpf_bound", MapType.ARRAY, 4, 8, 1)
    with Program.load(returning(0)) as program:
        with Map.create(spec) as bound:
            progs.bind_map(program.fd, bound.fd)
        assert info.prog(program.fd).map_ids == (bound.info.id,)
        with info.opened(info.Kind.MAP, bound.info.id) as fd:
            assert info.map_(fd) == bound.info


def test_close_twice() -> None:
    program = Program.load(counting(0))
    made = program.maps[HITS]
    program.close()
    program.close()
    made.close()
    assert program.fd == made.fd == -1


# --------------------------------------------------------------------------- limits


@contextmanager
def nothing_left() -> Iterator[None]:
    """Fail if the body leaves a file descriptor open."""

    def opened() -> set[str]:
        return {entry.name for entry in Path("/proc/self/fd").iterdir() if entry.exists()}

    before = opened()
    yield
    assert opened() == before


@contextmanager
def descriptors_limited_to(more: int) -> Iterator[None]:
    """Let this process open `more` file descriptors and not one beyond."""
    with ExitStack() as stack:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        probe = os.open("/dev/null", os.O_RDONLY)
        os.close(probe)
        # The lowest free number is `probe`; fill holes above it up to the highest in use.
        highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
        while True:
            filler = os.open("/dev/null", os.O_RDONLY)
            stack.callback(os.close, filler)
            if filler > highest:
                break
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (filler + 1 + more, hard))
        yield


BIG = replace(
    counting(2),
    maps=tuple(replace(counting(2).maps[0], name=f"{HITS}{n or ''}") for n in range(3)),
)
ATTACHMENTS: dict[str, tuple[ProgramSpec, Callable[[Program, interface.Interface], Link]]] = {
    "xdp-link": (BIG, xdp.attach),
    "xdp-netlink": (BIG, xdp.attach_lasting),
    "tcx": (replace(BIG, type=ProgType.SCHED_CLS), lambda p, i: tcx.attach(p, i, Target.TC)),
    "clsact": (
        replace(BIG, type=ProgType.SCHED_CLS),
        lambda p, i: tc.attach_lasting(p, i, Target.TC),
    ),
    "socket": (replace(BIG, type=ProgType.SOCKET_FILTER), socket_filter.attach),
}


TCX = pytest.param("tcx", marks=pytest.mark.needs_kernel("attach at tc, tcx"))


@pytest.mark.parametrize("name", [*(name for name in ATTACHMENTS if name != "tcx"), TCX])
def test_too_few_descriptors_at_any_step(name: str) -> None:
    spec, attach = ATTACHMENTS[name]
    spec = replace(spec, attach_type=spec.attach_type if spec.type is ProgType.XDP else None)
    with fresh():
        lo = interface.find("lo")
        with Program.load(spec) as program, attach(program, lo):
            pass  # imports what is imported late
        needed = next(room for room in range(40) if succeeds_within(room, spec, attach, lo))
    assert needed >= 4  # three maps and a program


def succeeds_within(
    room: int,
    spec: ProgramSpec,
    attach: Callable[[Program, interface.Interface], Link],
    where: interface.Interface,
) -> bool:
    with nothing_left(), descriptors_limited_to(room):
        try:
            with Program.load(spec) as program, attach(program, where) as link:
                return link.alive()
        except KernelError as error:
            if "too many open files" in error.message:
                return False
            raise


def without(*capabilities: str) -> list[str]:
    """Return the words that run a command as root without some capabilities."""
    dropped = ",".join(f"-{name}" for name in capabilities)
    return [require_tool("setpriv"), f"--bounding-set={dropped}", f"--inh-caps={dropped}"]


SCRIPT = """
from netbpf.errors import NetbpfError
from netbpf.kernel import interface
from netbpf.link import socket_filter, tc, xdp
from netbpf.objects import Program
from netbpf.spec import Target
from netbpf.uapi.bpf import ProgType
from tests.support.programs import counting
from tests.net.test_objects import COMPARING
for attempt in (
    lambda: Program.load(counting(2)),
    lambda: Program.load(COMPARING),
    lambda: socket_filter.attach(Program.load(counting(0, ProgType.SOCKET_FILTER)), LO),
    lambda: xdp.attach(Program.load(counting(2)), LO),
    lambda: tc.attach_lasting(Program.load(counting(0, ProgType.SCHED_CLS)), LO, Target.TC),
):
    try:
        LO = interface.find("lo")
        attempt()
    except NetbpfError as error:
        print(type(error).__name__, error.message.partition(": ")[2])
    else:
        print("done")
"""
# Compares a packet pointer with a constant, which only CAP_PERFMON allows.
COMPARING = replace(
    returning(2),
    insns=(
        ebpf.load(4, 2, 1, 0),
        ebpf.mov(0, 2),
        ebpf.jump_imm(Jmp.JGT, 2, 5, 0),
        ebpf.leave(),
    ),
)


@pytest.mark.parametrize(
    ("dropped", "told"),
    [
        (
            ("bpf", "sys_admin"),
            ["needs CAP_BPF"] * 5,
        ),
        (
            ("net_admin", "sys_admin"),
            ["needs CAP_NET_ADMIN"] * 2 + ["done"] + ["needs CAP_NET_ADMIN"] * 2,
        ),
        (("perfmon", "sys_admin"), ["done", "needs CAP_PERFMON", "done", "done", "done"]),
        (("net_raw",), ["done", "done", "needs CAP_NET_RAW", "done", "done"]),
    ],
    ids=lambda x: x[0] if isinstance(x, tuple) else "",
)
def test_refusals_name_the_capability(dropped: tuple[str, ...], told: list[str]) -> None:
    with fresh():
        done = subprocess.run(
            [*without(*dropped), sys.executable, "-c", SCRIPT],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(told)
    for line, expected in zip(lines, told, strict=True):
        assert expected in line
        assert ("PrivilegeError" in line) == (expected != "done")


def test_ids_of_what_is_loaded() -> None:
    with Program.load(counting(2, name="netbpf_ids")) as program:
        assert program.id in set(info.ids(info.Kind.PROG))
        (map_id,) = program.info.map_ids
        assert map_id in set(info.ids(info.Kind.MAP))
        with info.opened(info.Kind.MAP, map_id) as fd:
            assert info.map_(fd) == program.maps[HITS].info
    with pytest.raises(KernelError):
        info.open_id(info.Kind.PROG, 2**32 - 1)


def test_program_of_the_wrong_type() -> None:
    with (
        fresh(),
        Program.load(returning(0, ProgType.SOCKET_FILTER)) as wrong,
        pytest.raises(KernelError, match="cannot attach"),
    ):
        xdp.attach(wrong, interface.find("lo"))

"""The groups of tests that a kernel is asked to pass, and the core of each.

A group is a row of the table. The core is what `make test-vm` and continuous integration run: the
tests in which kernels differ, few enough for four emulated machines in some minutes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Files or folders of tests; `core` is a regular expression, searched in the test's id."""

    name: str
    paths: tuple[str, ...]
    core: str = ""

    def holds(self, test: str) -> bool:
        """Whether a test, by its id, belongs to the group."""
        file = test.split("::", maxsplit=1)[0]
        return any(file == path or file.startswith(f"{path}/") for path in self.paths)


GROUPS = (
    Group("probes", ("tests/net/test_features.py", "tests/net/test_kprobe.py")),
    Group(
        "objects",
        ("tests/net/test_objects.py",),
        core=r"^(?!.*(refusals_name|in_batches|too_few_descriptors\[(?!tcx)))",
    ),
    Group(
        "attach",
        ("tests/net/test_links.py", "tests/net/test_kept.py"),
        core=r"test_(sees_every|replaced_by_another|jumbo|tcx_runs|kept_found|left_by|name_is)",
    ),
    Group(
        "counters",
        (
            "tests/net/test_actions.py",
            "tests/net/test_keys.py",
            "tests/net/test_live.py",
            "tests/net/test_metadata.py",
            "tests/net/test_paged.py",
            "tests/net/test_pushed_tag.py",
        ),
        core=r"test_action\[.*-drop"
        r"|test_tables\[(xdp-native|clsact|socket)\]"
        r"|test_counts\[.*-(vlan 100|tcp dst port 80|greater 9000)\]"
        r"|test_metadata\[.*802.1ad\]"
        r"|test_loads_across.*-2\]",
    ),
    Group(
        "lifecycle",
        ("tests/net/test_filter_cli.py", "tests/net/test_lab.py"),
        # Before 5.13 a table of ports is read by 65,537 calls, which takes seconds when emulated.
        core=r"test_(counts_until.*\[(xdp|tc)-SIGINT|at_any_moment)",
    ),
    Group(
        "match",
        ("tests/net/test_match_targets.py",),
        core=r"test_(all_targets_agree\[pcap-(tcp dst|udp\[)|the_kernel_is_asked|pieces_join)",
    ),
    Group(
        "verdicts",
        (
            "tests/differential/test_backends.py",
            "tests/differential/test_eager.py",
            "tests/differential/test_ir_ebpf.py",
            "tests/net/test_verifier_effort.py",
        ),
        core=r"test_(every_backend_agrees_on_ethernet|the_kernel_agrees|the_work_is_linear.*\[4-)",
    ),
    Group(
        "units",
        (
            "tests/unit/asm/test_disasm.py",
            "tests/unit/bench/test_counters.py",
            "tests/unit/cli/test_bench.py",
            "tests/unit/codegen/ebpf/test_generate.py",
            "tests/unit/codegen/ebpf/test_set_tables.py",
            "tests/unit/codegen/ebpf/test_sets.py",
            "tests/unit/codegen/test_rounds.py",
            "tests/unit/elf/test_write.py",
            "tests/unit/kernel/test_buff.py",
            "tests/unit/observe/test_timing.py",
            "tests/unit/observe/test_timing_socket.py",
            "tests/unit/test_api.py",
        ),
        core=r"^(?!.*(large_sets|long_programs|test_bench|test_rounds|test_timing|bench/test_counters"
        r"|every_kind_of_table\[(?!\w+-1-4)))",
    ),
)


def group_of(test: str) -> Group | None:
    """Return the group that a test belongs to."""
    return next((group for group in GROUPS if group.holds(test)), None)


def in_core(test: str) -> bool:
    """Whether a test belongs to the core of its group."""
    group = group_of(test)
    return group is not None and re.search(group.core, test) is not None

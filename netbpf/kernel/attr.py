"""The members of union bpf_attr, one structure per command, and the info structures.

Source: include/uapi/linux/bpf.h. Each ends at the last field that netbpf sets; the kernel takes
what is missing as zero, and does not mind zeros in fields that it does not know.
"""

from __future__ import annotations

from ctypes import Structure, c_char, c_uint8, c_uint32, c_uint64

u32, u64 = c_uint32, c_uint64
_name = c_char * 16


class MapCreate(Structure):
    """BPF_MAP_CREATE."""

    _fields_ = (
        ("map_type", u32),
        ("key_size", u32),
        ("value_size", u32),
        ("max_entries", u32),
        ("map_flags", u32),
        ("inner_map_fd", u32),
        ("numa_node", u32),
        ("map_name", _name),
    )


class MapElem(Structure):
    """BPF_MAP_{LOOKUP,UPDATE,DELETE}_ELEM, BPF_MAP_GET_NEXT_KEY (`value` is the next key)."""

    _fields_ = (
        ("map_fd", u32),
        ("_pad", u32),
        ("key", u64),
        ("value", u64),
        ("flags", u64),
    )


class MapBatch(Structure):
    """BPF_MAP_{LOOKUP,UPDATE,DELETE}_BATCH."""

    _fields_ = (
        ("in_batch", u64),
        ("out_batch", u64),
        ("keys", u64),
        ("values", u64),
        ("count", u32),
        ("map_fd", u32),
        ("elem_flags", u64),
        ("flags", u64),
    )
    count: int


class MapFreeze(Structure):
    """BPF_MAP_FREEZE."""

    _fields_ = (("map_fd", u32),)


class ProgLoad(Structure):
    """Up to expected_attach_type (4.17), which every kernel that netbpf supports knows."""

    _fields_ = (
        ("prog_type", u32),
        ("insn_cnt", u32),
        ("insns", u64),
        ("license", u64),
        ("log_level", u32),
        ("log_size", u32),
        ("log_buf", u64),
        ("kern_version", u32),
        ("prog_flags", u32),
        ("prog_name", _name),
        ("prog_ifindex", u32),
        ("expected_attach_type", u32),
    )


class ProgTestRun(Structure):
    """BPF_PROG_TEST_RUN: contexts since 5.2, flags since 5.10, batch_size since 5.18."""

    _fields_ = (
        ("prog_fd", u32),
        ("retval", u32),
        ("data_size_in", u32),
        ("data_size_out", u32),
        ("data_in", u64),
        ("data_out", u64),
        ("repeat", u32),
        ("duration", u32),
        ("ctx_size_in", u32),
        ("ctx_size_out", u32),
        ("ctx_in", u64),
        ("ctx_out", u64),
        ("flags", u32),
        ("cpu", u32),
        ("batch_size", u32),
    )
    retval: int
    duration: int
    data_size_out: int
    ctx_size_out: int


class Obj(Structure):
    """BPF_OBJ_PIN, BPF_OBJ_GET."""

    _fields_ = (
        ("pathname", u64),
        ("bpf_fd", u32),
        ("file_flags", u32),
    )


class GetId(Structure):
    """BPF_*_GET_NEXT_ID, BPF_*_GET_FD_BY_ID."""

    _fields_ = (
        ("id", u32),
        ("next_id", u32),
        ("open_flags", u32),
    )
    next_id: int


class Info(Structure):
    """BPF_OBJ_GET_INFO_BY_FD."""

    _fields_ = (
        ("bpf_fd", u32),
        ("info_len", u32),
        ("info", u64),
    )
    info_len: int


class LinkCreate(Structure):
    """BPF_LINK_CREATE."""

    _fields_ = (
        ("prog_fd", u32),
        ("target", u32),  # a file descriptor or an interface index
        ("attach_type", u32),
        ("flags", u32),
    )


class LinkUpdate(Structure):
    """BPF_LINK_UPDATE."""

    _fields_ = (
        ("link_fd", u32),
        ("new_prog_fd", u32),
        ("flags", u32),
        ("old_prog_fd", u32),
    )


class ProgBindMap(Structure):
    """BPF_PROG_BIND_MAP."""

    _fields_ = (
        ("prog_fd", u32),
        ("map_fd", u32),
        ("flags", u32),
    )


class ProgInfo(Structure):
    """struct bpf_prog_info up to verified_insns."""

    _fields_ = (
        ("type", u32),
        ("id", u32),
        ("tag", c_uint8 * 8),
        ("jited_prog_len", u32),
        ("xlated_prog_len", u32),
        ("jited_prog_insns", u64),
        ("xlated_prog_insns", u64),
        ("load_time", u64),
        ("created_by_uid", u32),
        ("nr_map_ids", u32),
        ("map_ids", u64),
        ("name", _name),
        ("ifindex", u32),
        ("gpl_compatible", u32),
        ("netns_dev", u64),
        ("netns_ino", u64),
        ("nr_jited_ksyms", u32),
        ("nr_jited_func_lens", u32),
        ("jited_ksyms", u64),
        ("jited_func_lens", u64),
        ("btf_id", u32),
        ("func_info_rec_size", u32),
        ("func_info", u64),
        ("nr_func_info", u32),
        ("nr_line_info", u32),
        ("line_info", u64),
        ("jited_line_info", u64),
        ("nr_jited_line_info", u32),
        ("line_info_rec_size", u32),
        ("jited_line_info_rec_size", u32),
        ("nr_prog_tags", u32),
        ("prog_tags", u64),
        ("run_time_ns", u64),
        ("run_cnt", u64),
        ("recursion_misses", u64),
        ("verified_insns", u32),
    )
    type: int
    id: int
    tag: bytes
    jited_prog_len: int
    xlated_prog_len: int
    load_time: int
    nr_map_ids: int
    name: bytes
    verified_insns: int


class MapInfo(Structure):
    """struct bpf_map_info up to name."""

    _fields_ = (
        ("type", u32),
        ("id", u32),
        ("key_size", u32),
        ("value_size", u32),
        ("max_entries", u32),
        ("map_flags", u32),
        ("name", _name),
    )
    type: int
    id: int
    key_size: int
    value_size: int
    max_entries: int
    map_flags: int
    name: bytes


class LinkInfo(Structure):
    """struct bpf_link_info; `ifindex` begins its union for XDP and tcx links."""

    _fields_ = (
        ("type", u32),
        ("id", u32),
        ("prog_id", u32),
        ("_pad", u32),
        ("ifindex", u32),
        ("attach_type", u32),
        ("_rest", u64 * 5),
    )
    type: int
    id: int
    prog_id: int
    ifindex: int
    attach_type: int

"""The maps of a program's sets; equal sets share one."""

from __future__ import annotations

from netbpf.asm.assembler import Assembler, Label
from netbpf.codegen.ebpf.sets.choose import MOST_BYTES, choose
from netbpf.codegen.ebpf.sets.table import Members, Read, Straight, Table
from netbpf.errors import CodeSizeError, Span
from netbpf.ir.program import Member
from netbpf.records import dataclass, field
from netbpf.spec import MapSpec
from netbpf.uapi.bpf import MapFlag, MapType


@dataclass(slots=True)
class Tables:
    """What a program's look-ups need. `text` is what a set that is too large is shown in."""

    text: str
    _found: dict[tuple[Members, int], tuple[str, Table]] = field(default_factory=dict)

    @property
    def maps(self) -> tuple[MapSpec, ...]:
        """The maps to create."""
        return tuple(_map(name, table) for name, table in self._found.values() if table.content)

    def clobbers(self, member: Member) -> bool:
        """Whether a look-up destroys r2 to r5, beside r0 and r1."""
        return bool(member.members) and self._table(member)[1].clobbers

    def has_straight(self, member: Member) -> bool:
        """Whether a look-up needs no branch."""
        if len(member.regs) != 1 or not member.members:
            return False
        table = self._table(member)[1]
        return isinstance(table, Straight) and table.is_straight

    def differs(self, asm: Assembler, member: Member, read: Read) -> None:
        """r0 = 0 iff the value is a member, of a set for which `has_straight` is true."""
        name, table = self._table(member)
        assert isinstance(table, Straight)
        table.differs(asm, name, read)

    def look_up(self, asm: Assembler, member: Member, read: Read, orelse: Label) -> None:
        """Go on if the value is a member, else at `orelse`.

        A value of one word is where `read` says, one of more words on the stack (`table.word`).
        Raises CodeSizeError where the table exceeds 4 MiB.
        """
        if not member.members:
            asm.jump(orelse)
            return
        name, table = self._table(member)
        table.look_up(asm, name, read, orelse)

    def _table(self, member: Member) -> tuple[str, Table]:
        key = member.members, len(member.regs)
        found = self._found.get(key)
        if found is None:
            table = choose(*key)
            if len(table.content) > MOST_BYTES:
                raise CodeSizeError(
                    f"a set of {len(member.members)} ranges is too large for one map",
                    text=self.text,
                    span=member.span or Span(0, len(self.text)),
                )
            number = sum(bool(table.content) for _, table in self._found.values())
            found = self._found[key] = (f"set{number}", table)
        return found


def _map(name: str, table: Table) -> MapSpec:
    return MapSpec(
        name=name,
        type=MapType.ARRAY,
        key_size=4,
        value_size=len(table.content),
        max_entries=1,
        flags=MapFlag.RDONLY_PROG,
        init=((bytes(4), table.content),),
        freeze=True,
    )

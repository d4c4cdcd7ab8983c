"""What an expression of the default dialect means, said a second time and in another way.

Plain functions over the bytes of a packet and the syntax tree: no code is generated, nothing of
netbpf.expr.lower, netbpf.ir or the tables of netbpf.proto is used. Slow and simple; differential
tests hold the compiler against it.
"""

from tests.support.reference.evaluate import matches as matches

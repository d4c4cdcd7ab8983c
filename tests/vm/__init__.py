"""The tests that need a kernel, run on many kernels: `make test-vm`, `python -m tests.vm --help`.

kernels says which and fetches them (debian), machine boots one and runs pytest inside it, where
record notes what becomes of each test; groups says which tests, table what it all means.
"""

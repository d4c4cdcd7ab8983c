"""The tests of netbpf; docs/testing.md says what each directory proves."""

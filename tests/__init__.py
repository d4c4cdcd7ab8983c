"""The tests of netbpf; CONTRIBUTING.md says what each directory proves."""

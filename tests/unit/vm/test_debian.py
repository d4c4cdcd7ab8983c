"""Reading what apt says of mirrors and packages."""

from __future__ import annotations

import pytest

from tests.vm.debian import Archive, FetchError, Mirrors, parse_mirrors

TARGETS = """\
Debian|Debian|http://one.example/debian/
Debian|Debian|http://two.example/debian/
Debian|Debian-Security|http://one.example/security/
Somebody|Debian|http://three.example/
"""


def test_mirrors_of_this_machine() -> None:
    found = parse_mirrors(TARGETS)
    assert found == Mirrors("http://one.example/debian/", "http://one.example/security/")


def test_no_security_mirror() -> None:
    assert parse_mirrors(TARGETS.splitlines()[0]).security == ""


def test_not_a_debian() -> None:
    with pytest.raises(FetchError, match="NETBPF_DEBIAN_MIRROR"):
        parse_mirrors("Ubuntu|Ubuntu|http://four.example/\n")


def test_sources() -> None:
    mirrors = parse_mirrors(TARGETS)
    lines = mirrors.sources("bookworm").splitlines()
    assert [line.split("] ")[1] for line in lines] == [
        "http://one.example/debian/ bookworm main",
        "http://one.example/security/ bookworm-security main",
    ]
    assert len(mirrors.sources("sid").splitlines()) == 1


@pytest.mark.parametrize(
    ("shown", "release", "packages"),
    [
        (
            {"linux-image-amd64": "linux-image-6.1.0-56-amd64 (= 6.1.192-2)",
             "linux-image-6.1.0-56-amd64": "kmod, linux-base (>= 4.3~), initramfs-tools | dracut"},
            "6.1.0-56-amd64",
            ["linux-image-6.1.0-56-amd64"],
        ),
        (
            {"linux-image-amd64": "linux-base-amd64 (= 7.2-1), linux-image-7.2+deb14-amd64 (= 7)",
             "linux-image-7.2+deb14-amd64": "dracut | x, linux-binary-7.2+deb14-amd64 (= 7.2-1), "
                                            "linux-modules-7.2+deb14-amd64 (= 7.2-1)"},
            "7.2+deb14-amd64",
            ["linux-image-7.2+deb14-amd64", "linux-binary-7.2+deb14-amd64",
             "linux-modules-7.2+deb14-amd64"],
        ),
    ],
    ids=["one package", "several"],
)  # fmt: skip
def test_packages_of_a_kernel(
    shown: dict[str, str], release: str, packages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def show(_: Archive, *words: str, **__: object) -> str:
        return f"Package: {words[-1]}\nDepends: {shown[words[-1]]}\nSize: 1\n"

    monkeypatch.setattr(Archive, "_apt", show)
    assert Archive(None, "sid").kernel_packages() == (release, packages)  # type: ignore[arg-type]

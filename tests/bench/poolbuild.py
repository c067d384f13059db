# SPDX-License-Identifier: MIT
"""Builds the programs of tests/bench/pool, one for each pool, all with the same options.

They go to BUILD/tests/pools. rte_mempool is mostly in headers, whose package wants 200 others: it is
downloaded and unpacked into build/pools, not installed; the libraries are those that tools/setup installs.
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = Path(__file__).resolve().parent / "pools"
DPDK = ROOT / "build" / "pools" / "dpdk"
FLAGS = ["-O2", "-g", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-pthread"]
RTE_LIBS = ["-l:librte_mempool.so.23", "-l:librte_eal.so.23", "-l:librte_ring.so.23",
            "-Wl,--no-as-needed", "-l:librte_mempool_ring.so.23"]
PRELOADS = {"mimalloc": "libmimalloc.so.2", "jemalloc": "libjemalloc.so.2",
            "tcmalloc": "libtcmalloc_minimal.so.4"}


def run(command, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if result.returncode:
        raise RuntimeError(f"{' '.join(str(word) for word in command)}\n{result.stderr}{result.stdout}")
    return result.stdout


def download(folder, *packages):
    options = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    try:
        run(["apt-get", *options, "download", *packages], cwd=folder)
    except RuntimeError:
        # The lists may be missing, or old.
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        run([*sudo, "apt-get", "-o", "DPkg::Lock::Timeout=120", "update"])
        run(["apt-get", *options, "download", *packages], cwd=folder)
    return sorted(Path(folder).glob("*.deb"))


def dpdk_headers():
    """Where the headers that fit the installed library are."""
    version = run(["dpkg-query", "-W", "-f", "${Version}", "librte-mempool23"])
    machine = run(["gcc", "-print-multiarch"]).strip()
    tree = DPDK / version.replace(":", "_")
    if not tree.exists():
        DPDK.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=DPDK) as scratch:
            deb, = download(scratch, f"libdpdk-dev={version}")
            with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as source:
                subprocess.run(["tar", "-x", "--no-same-owner", "-C", scratch, "./usr/include"],
                               stdin=source.stdout, check=True)
            (Path(scratch) / "usr").rename(tree)
    return [tree / "include" / machine / "dpdk", tree / "include" / "dpdk"]


def specify(build):
    """Name, source, flags and libraries of each program."""
    # Debian's libdpdk.pc has the same -march, which rte_memcpy() needs.
    rte = [f"-I{path}" for path in dpdk_headers()] + ["-march=corei7"]
    lib = build.resolve() / "lib"
    yield "bound", "pool_bound.c", [], []
    yield "udrv", "pool_udrv.c", [], [f"-L{lib}", f"-Wl,-rpath,{lib}", "-ludrv"]
    yield "rte_mempool", "pool_rte.c", rte, RTE_LIBS
    yield "ck_stack", "pool_ck.c", [], []
    yield "ck_ring", "pool_ck.c", ["-DCK_RING"], []
    yield "malloc", "pool_malloc.c", [], []


def compile_program(build, spec):
    name, source, flags, libs = spec
    program = build / "tests" / "pools" / name
    needs = [SOURCES / source, *SOURCES.glob("*.h"), SOURCES / "main.c", Path(__file__),
             *(ROOT / "lib" / "include" / "udrv").glob("*.h")]
    if not program.exists() or program.stat().st_mtime < max(path.stat().st_mtime for path in needs):
        program.parent.mkdir(parents=True, exist_ok=True)
        run(["gcc", *FLAGS, f"-I{ROOT / 'lib' / 'include'}", *flags, SOURCES / source, SOURCES / "main.c",
             "-o", program, *libs])
    return program


def library(build):
    """libudrv.so, made if BUILD is not given and was never configured."""
    if build is None:
        build = ROOT / "build" / "dev"
        run(["cmake", "--preset", "dev"], cwd=ROOT)
        run(["cmake", "--build", build, "--target", "udrv"], cwd=ROOT)
    return build


def udrv_program(build):
    """The one that needs no other project."""
    build = library(build)
    return compile_program(build, ("udrv", "pool_udrv.c", [], [f"-L{build.resolve() / 'lib'}",
                                   f"-Wl,-rpath,{build.resolve() / 'lib'}", "-ludrv"]))


def programs(build):
    """The command and the environment for each pool."""
    build = library(build)
    made = {spec[0]: compile_program(build, spec) for spec in specify(build)}
    malloc = made.pop("malloc")
    pools = {name: (program, {}) for name, program in made.items()}
    pools["glibc"] = (malloc, {})
    for name, preload in PRELOADS.items():
        pools[name] = (malloc, {"LD_PRELOAD": preload})
    return pools


if __name__ == "__main__":
    sys.exit(__doc__)

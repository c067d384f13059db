# SPDX-License-Identifier: MIT
"""DPDK's testpmd and all that it loads, from Debian's packages.

Their own dependencies are some 200 packages: these are downloaded and unpacked into build/pools, not installed.
"""
import os
import tempfile
from pathlib import Path

from poolbuild import DPDK, download, run

PROGRAM = "dpdk-testpmd"
PMDS = "dpdk/pmds-23.0"
# What it loads by name: buses, memory pools, drivers.
PLUGINS = ["librte_bus_pci.so.23", "librte_bus_vdev.so.23", "librte_mempool_ring.so.23", "librte_net_e1000.so.23",
           "librte_net_null.so.23"]
# What it is linked with, other drivers among it.
LIBRARIES = """
bitratestats bpf bus-auxiliary bus-dpaa bus-pci bus-vdev cmdline common-dpaax common-iavf common-mlx5- crypto-scheduler
cryptodev eal ethdev eventdev gro gso hash ip-frag kvargs latencystats mbuf mempool mempool-dpaa mempool-ring meter
metrics net net-bnxt net-bond net-dpaa net-e1000- net-i40e net-ice net-ixgbe net-mlx5- net-null pcapng pci pdump rcu
reorder ring sched security telemetry timer
""".split()
OTHERS = ["ibverbs-providers", "libbsd0", "libdbus-1-3", "libelf1", "libfdt1", "libibverbs1", "libjansson4", "libmd0",
          "libnl-3-200", "libnl-route-3-200", "libnuma1", "libpcap0.8"]


class Testpmd:
    """The unpacked packages. What is installed goes before them: DPDK always loads what is in PMDS, and nothing must be
    there twice."""

    def __init__(self):
        self.tree = DPDK / "testpmd"
        if not self.tree.exists():
            unpack(self.tree)
        libraries = Path("/usr/lib") / run(["gcc", "-print-multiarch"]).strip()
        self.folders = [libraries, libraries / PMDS]
        self.folders += [self.tree / folder.relative_to("/") for folder in self.folders]
        self.folders += [self.tree / libraries.relative_to("/usr")]

    def plugins(self):
        return [next(folder / name for folder in self.folders if (folder / name).exists()) for name in PLUGINS]

    def environment(self):
        """In which the program is found, and its libraries."""
        return {**os.environ, "PATH": f"{self.tree / 'usr/bin'}:{os.environ.get('PATH', '')}",
                "LD_LIBRARY_PATH": ":".join(map(str, self.folders))}


def unpack(tree):
    DPDK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DPDK) as scratch:
        for deb in download(scratch, "dpdk-dev", *(f"librte-{name}23" for name in LIBRARIES), *OTHERS):
            run(["dpkg-deb", "-x", deb, f"{scratch}/tree"])
        (Path(scratch) / "tree").rename(tree)

"""Tells, in a pod, whether its network is shut: to some network plugins a policy is only words.

    python -m alphintra_lab.sandbox.pod_probe
ends with 0 where the cluster's own API cannot be reached, and with REACHED where it can.
"""

from __future__ import annotations

import os
import socket
import sys

REACHED = 3
SECONDS = 3.0


def main() -> int:
    """Try to reach the one address that every pod is told."""
    address = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"])
    try:
        socket.create_connection(address, SECONDS).close()
    except OSError:
        return 0
    return REACHED


if __name__ == "__main__":
    sys.exit(main())

"""Tests, without a cluster, what keeps two attempts of a delivery apart."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from cio_spark.pipeline.spark_jobs import needs_barrier

WORKER = """
import os, socket, sys
from cio_spark.clock import SystemClock
from cio_spark.delivery.worker_exit import ended_with_its_task

def main(outfile):
    with ended_with_its_task():
        outfile.write(b"at work")
        outfile.flush()
        SystemClock().sleep(60.0)

main(os.fdopen(int(sys.argv[1]), "wb"))
"""


@pytest.mark.parametrize(
    ("local", "dynamic_allocation", "partitions", "slots", "needed"),
    [
        (False, False, 2, 2, True),
        (False, False, 3, 2, False),  # the tasks would wait for a slot that may never come
        (False, False, 2, 0, False),  # the number of slots is unknown
        (False, True, 2, 2, False),  # Spark refuses a barrier stage
        (True, False, 2, 2, False),
    ],
)
def test_a_delivery_is_a_barrier_stage_where_an_executor_can_be_lost_and_spark_can_run_one(
    local: bool, dynamic_allocation: bool, partitions: int, slots: int, needed: bool
) -> None:
    assert needs_barrier(local, dynamic_allocation, partitions, slots) is needed


def test_a_worker_ends_when_its_executor_hangs_up_though_it_neither_reads_nor_writes() -> None:
    executor, worker = socket.socketpair()
    with worker:
        process = subprocess.Popen([sys.executable, "-c", WORKER, str(worker.fileno())], pass_fds=[worker.fileno()])
    try:
        assert executor.recv(7) == b"at work"
        assert process.poll() is None
        executor.close()
        assert process.wait(30.0) == 1
    finally:
        process.kill()

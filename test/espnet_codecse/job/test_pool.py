"""The pool gives all results, in processes or in this one, and turns a dead worker into one message."""

import os

import pytest

from espnet_codecse.errors import UserError
from espnet_codecse.job.pool import map_unordered


def square(number):
    return number * number, os.environ.get("OMP_NUM_THREADS"), os.getpid()


def die(number):
    os._exit(3)


def test_results_of_one_and_of_two_processes_agree():
    alone = list(map_unordered(square, range(9), 1))
    before = os.environ.get("OMP_NUM_THREADS")
    together = list(map_unordered(square, range(9), 2, threads=1))
    assert sorted(result[0] for result in together) == [result[0] for result in alone] == [n * n for n in range(9)]
    assert {result[1] for result in together} == {"1"} and os.environ.get("OMP_NUM_THREADS") == before
    assert os.getpid() not in {result[2] for result in together}


def test_a_dead_worker_is_a_user_error():
    with pytest.raises(UserError, match="a worker process died"):
        list(map_unordered(die, range(4), 2))

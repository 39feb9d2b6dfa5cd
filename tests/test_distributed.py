"""Trained on a real cluster of two processes, one of which is killed in the middle: bit for bit the local fit.

Ray is too large for the tests' own requirements: it is tried wherever it is installed.
"""

import os
import signal
import threading
import time
import warnings

import dask
import joblib
import numpy as np
import pytest
from dask.distributed import Client, LocalCluster
from numpy.testing import assert_array_equal

from skensemble import RegimeAwareEnsembleRegressor

N = 1_500
X = np.random.RandomState(0).standard_normal((N, 5))
Y = X[:, 0] + X[:, 1] * X[:, 2] + np.random.RandomState(1).standard_normal(N)


def ensemble():
    return RegimeAwareEnsembleRegressor(["xgboost", "lightgbm", "random_forest", "linear"], cv=4, random_state=0)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    # Or the scheduler takes away all copies of X but one, and X is lost with the worker that holds it.
    keep_copies = {"distributed.scheduler.active-memory-manager.start": False}
    with (
        dask.config.set(keep_copies),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=str(tmp_path_factory.mktemp("dask")),
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def kill_one(client, pids, killed):
    """Kill the first worker that is seen at work."""
    while not killed:
        for worker, tasks in client.processing().items():
            if tasks:
                os.kill(pids[worker], signal.SIGKILL)
                killed.append(worker)
                return
        time.sleep(0.02)


def test_a_cluster_gives_the_bits_of_the_local_fit_though_a_worker_dies(client):
    alone = ensemble().fit(X, Y)
    killed: list[int] = []
    killer = threading.Thread(target=kill_one, args=(client, client.run(os.getpid), killed), daemon=True)
    killer.start()
    with joblib.parallel_config(backend="dask", scatter=[X]):
        there = ensemble().fit(X, Y)
    killer.join(timeout=30)
    assert killed
    assert_array_equal(there.out_of_fold_.predictions, alone.out_of_fold_.predictions)
    assert_array_equal(there.predict(X), alone.predict(X))


def test_ray_gives_the_bits_of_the_local_fit():
    ray = pytest.importorskip("ray", reason="Ray is not among the requirements of the tests")
    register_ray = pytest.importorskip("ray.util.joblib").register_ray
    alone = ensemble().fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        register_ray()
        with joblib.parallel_config(backend="ray"):
            there = ensemble().fit(X, Y)
    finally:
        ray.shutdown()
    assert_array_equal(there.out_of_fold_.predictions, alone.out_of_fold_.predictions)
    assert_array_equal(there.predict(X), alone.predict(X))

"""What every test shares. The environment must be set before scipy and the OpenMP libraries are first imported."""

import os

os.environ["SCIPY_ARRAY_API"] = "1"
# Two test processes on two cores: threads of their own would wait for each other, ten times as long as they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

"""``python -m benchmarks NAME [options]``: does it pay (run, compare, plot, list), or one of the studies."""

from __future__ import annotations

import sys

from benchmarks import cluster, coverage, defaults, feedback_speed, latency, live, pickles, quality, regret, speed

BENCHMARKS = {
    "run": quality.run_main,
    "compare": quality.compare_main,
    "plot": quality.plot_main,
    "list": quality.list_main,
    "cluster": cluster.main,
    "coverage": coverage.main,
    "defaults": defaults.main,
    "feedback": feedback_speed.main,
    "latency": latency.main,
    "live": live.main,
    "pickles": pickles.main,
    "regret": regret.main,
    "speed": speed.main,
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in BENCHMARKS:
        sys.exit(f"usage: python -m benchmarks {{{','.join(BENCHMARKS)}}} [--help]")
    BENCHMARKS[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    main()

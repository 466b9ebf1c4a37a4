"""The benchmark suite that scripts/bench runs, and the long run of scripts/soak (soak.py).

parts/      what is measured: each part is a list of cases, each case one repetition
workers/    the processes that load the daemon, watch it, or are the bare limit beside it
suite.py    repeats the cases within each part's time and gathers their readings as figures
"""

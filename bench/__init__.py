"""Benchmarks beside other servers, all in one run: `make bench`, or `python -m bench --help`."""

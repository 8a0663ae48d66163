"""The JSON API (`/api/v1`): what the command line speaks, and whoever else manages buckets by program.

A face of the domain: parse, call the domain, answer. `routes.py` lists every call; docs/api.md describes them, and a
test holds the two together.
"""

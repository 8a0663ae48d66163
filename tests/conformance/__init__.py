"""The store measured by ceph/s3-tests, which stays outside the repository: `make conformance S3TESTS=DIR`.

A run starts the program on a folder of its own, makes accounts, writes the suite's configuration, runs its tests in an
environment of the suite's own, and renders docs/conformance.md. Nothing of the suite is kept here but names of tests.
"""

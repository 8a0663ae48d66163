"""Hypothesis without deadlines: on a busy machine they measure the neighbours."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("store-s3", deadline=None, print_blob=True)
settings.load_profile("store-s3")

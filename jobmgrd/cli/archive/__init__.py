"""Purged jobs, read from the archive without a daemon."""

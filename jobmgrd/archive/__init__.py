"""The archive: where purged jobs go before their rows are deleted."""

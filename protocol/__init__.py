"""The contract as Python: bytes <-> values, for the daemon, its clients, the CLI and the tests.

Nothing in this package does I/O, reads a clock, logs, or knows of asyncio or ZeroMQ.
"""

"""The domain: what a job is and what happens to it next.

Synchronous and pure: no await, no clock, no socket, no SQL. Time is an argument, decisions
are return values; the engine and the services carry them out.
"""

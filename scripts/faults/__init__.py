"""Trying to break the daemon: scripts/crash kills it at random moments, scripts/fuzz lies to it.

daemon.py    a daemon to ill-treat, at one place over many starts
ledger.py    what clients were answered, and whether it still holds
crash.py     the command that kills
mutation.py  messages, and what becomes of them
fuzz.py      the command that sends them
"""

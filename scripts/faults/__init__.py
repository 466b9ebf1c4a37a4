"""Trying to break the daemon: scripts/crash kills it at random moments, scripts/fuzz lies to it.

daemon.py    a daemon to ill-treat, at one place over many starts
ledger.py    what clients were answered, and whether it still holds
owner.py     clients that submit jobs and do things to them; steward.py switches what is everybody's
look.py      asks the next daemon for all of it
crash.py     the command that kills
requests.py  good requests of every kind
settings.py  configurations, good, half good and bad
values.py    values that are nearly right
mutation.py  what dice make of requests
senders.py   the ways in
witness.py   the good client beside them
fuzz.py      the command that sends them
guided.py    the command that looks for bytes that break a law of tests/fuzz (scripts/atheris)
"""

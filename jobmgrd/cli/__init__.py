"""Command lines: jobmgrd, the daemon, and jobmgr, its client.

`daemon.py` and `jobmgr.py` are where they begin. A group of commands is a package (`job`, `queue`,
`resource`, `housekeeping`, `archive`), with its table of commands first; so are `submission` and
`attached` (submit, run, batch, attach) and `listing` (jobs). Each command is a file, imported when
it is called. `words` has the kinds of values that commands take.
"""

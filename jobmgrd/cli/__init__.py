"""Command lines: jobmgrd, the daemon, and jobmgr, its client."""

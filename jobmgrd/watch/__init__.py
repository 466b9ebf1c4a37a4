"""A live view of a daemon for the terminal: jobmgr watch, with the extra `top`."""

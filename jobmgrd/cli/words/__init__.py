"""Values as words of the command line: how each is read and written."""

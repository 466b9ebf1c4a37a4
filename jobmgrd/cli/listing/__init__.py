"""Jobs in lists: which, in what order, and what is said of each."""

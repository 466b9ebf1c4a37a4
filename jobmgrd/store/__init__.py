"""Where jobs are kept: one port, several stores behind it, one contract for all of them."""

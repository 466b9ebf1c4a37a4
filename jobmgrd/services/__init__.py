"""What the daemon serves: one file an RPC group, named as flux-core names it.

A service reads a typed request, asks the domain and the store, and returns a typed reply. It
knows no socket and no SQL.
"""

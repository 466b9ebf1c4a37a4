"""Where messages enter and leave: sockets on one side, `Router.dispatch` on the other."""

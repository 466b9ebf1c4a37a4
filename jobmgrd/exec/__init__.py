"""Where jobs run: one port, simulated or local processes behind it."""

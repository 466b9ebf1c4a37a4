"""To be attached to a job: its output here, our stdin and signals there."""

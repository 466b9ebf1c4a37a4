"""What keeps a figure from being measured.

MeasurementError      something went wrong
  SkipError           there is not enough time, or the machine lacks something
"""


class MeasurementError(Exception):
    """A repetition failed; its case is given up, and the text becomes a note."""


class SkipError(MeasurementError):
    """It was not tried; the text says what is missing."""

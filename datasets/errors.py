"""The errors a user may cause, each said in one sentence."""


class PacloopError(ValueError):
    """A user's mistake or a refusal, in one sentence; the command line prints it and exits 2."""


class DatasetError(PacloopError):
    """Bad data or a bad request: names the file, the field, what was found and what was wanted."""


class TwinError(DatasetError):
    """A batch whose episodes are committed under another id already."""

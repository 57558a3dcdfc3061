"""The one error a user of the dataset may cause."""


class DatasetError(ValueError):
    """Bad data or a bad request, said in one sentence: the file, the field, what was found, what was wanted."""

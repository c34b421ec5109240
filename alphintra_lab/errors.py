"""Every error the lab answers with. The only place where status numbers stand."""

from __future__ import annotations


class LabError(Exception):
    """An error that a user can act on: the message names the value and the way out."""

    status = 500
    code = "internal"

    def __init__(self, message: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code


class Malformed(LabError):
    """The body cannot be read at all."""

    status, code = 400, "malformed"


class NotFound(LabError):
    """The thing that was asked for is not here."""

    status, code = 404, "not_found"


class Conflict(LabError):
    """The thing is in a state, or at a version, that does not allow it."""

    status, code = 409, "conflict"


class TooLarge(LabError):
    """What was sent is over the limit that the message names."""

    status, code = 413, "too_large"


class Invalid(LabError):
    """A field, named, has a value that cannot be used."""

    status, code = 422, "invalid"


class TooMany(LabError):
    """Asked too often; the same may be asked again a little later."""

    status, code = 429, "too_many"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(LabError):
    """A back end, named, does not answer or is full."""

    status, code = 503, "unavailable"

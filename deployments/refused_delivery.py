"""A delivery that the receiver does not take."""


class RefusedDeliveryError(Exception):
    """A delivery that is not taken; the code says which of `receiver_openapi.REFUSALS` it is."""

    def __init__(self, code: str, message: str, hint: str | None) -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint

"""The one error a user of Affetto is meant to read."""


class AffettoError(Exception):
    """A mistake that the user can mend, said in one sentence.

    The message names what is wrong, the file, clip or parameter it concerns, and what to do about it. The
    command line shows the message without a traceback.
    """

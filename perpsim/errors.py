"""The one exception that means "the user asked for something that cannot be done"."""


class UserError(Exception):
    """A mistake of the user: one clear line. The command line prints it and exits with code 2."""

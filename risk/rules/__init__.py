"""One risk rule a file: a frozen record whose fields are its parameters and whose one verb is `check`."""

"""The recorded feed: real market data from imported files, as it could have been known at any past instant."""

"""Headlines from news services and feeds: each one a pure `Vendor`, all asked by one `NewsWire`."""

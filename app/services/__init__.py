"""What people ask of the desk: shared by command line, pages and bots."""

"""What the crowd says: whom it names, how loudly against its usual, in which mood, why, and whether it is a crowd."""

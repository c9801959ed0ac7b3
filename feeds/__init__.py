"""Where the picture of the world comes from: simulated market, recorded files, free delayed quotes."""

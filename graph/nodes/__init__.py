"""One short file a step. Pure nodes call pure rooms, effect nodes call ports."""

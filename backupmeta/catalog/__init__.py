"""A catalog of many accounts: scanning into it (`scan`), what is in it (`tables`), answering from it (`answers`)."""

"""What happened when, and who says so: the events that archives and records bear witness of."""

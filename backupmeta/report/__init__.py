"""What a report tells of the accounts in a catalog."""

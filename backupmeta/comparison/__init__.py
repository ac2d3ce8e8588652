"""What differs between two backups, and along all backups of an install."""

"""What may be published, and how."""

"""What an archive holds, what is missing, and what is broken."""

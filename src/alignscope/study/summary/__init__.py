"""What a study found: figures over seeds, and the forecast they are held against."""

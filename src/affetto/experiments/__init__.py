"""What models make of degraded copies of the clips they were tested with."""

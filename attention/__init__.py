"""Recording and controlling attention (torch only, no host)."""

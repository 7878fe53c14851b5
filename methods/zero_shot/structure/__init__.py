"""Edge losses between the composite and a decoded step: Sobel and PiDiNet (paper eq. 5-6)."""

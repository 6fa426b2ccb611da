"""What a picture file is: its format, its header, its pixels, and what decoding it may cost."""

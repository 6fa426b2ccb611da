"""What somebody sends who means harm, made on the spot."""

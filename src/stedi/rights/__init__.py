"""What people may ask for: to be forgotten, to see what is held of them, and who got it."""

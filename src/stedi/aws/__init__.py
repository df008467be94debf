"""What runs on AWS itself; needs the extra `aws`."""

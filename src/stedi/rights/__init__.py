"""What people may ask for, and what was given out: the ledger, access, retention."""

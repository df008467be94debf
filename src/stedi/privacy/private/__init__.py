"""A published table under person-level differential privacy: one noisy vector, and rows from it."""

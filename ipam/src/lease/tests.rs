//! Leases, runs and the search, against simple models.

"""Who is asking: what a request carries, as a Principal."""

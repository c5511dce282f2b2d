"""Contains what concerns Spark itself: the session, its settings and versions, users' SQL, and Spark's errors."""

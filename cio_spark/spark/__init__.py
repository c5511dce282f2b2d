"""Holds what concerns Spark itself: the session, its settings and versions, users' SQL, and what its errors mean."""

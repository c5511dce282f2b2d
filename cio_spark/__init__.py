"""Delta tables to Customer.io with Spark."""

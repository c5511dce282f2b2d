"""The demo: a grocer's purchases and households become Delta tables and go to the stand-in."""

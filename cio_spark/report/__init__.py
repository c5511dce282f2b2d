"""Writes a self-contained HTML page about a sync: `facts` reads, `plots` draws, `page` renders (extra `report`)."""

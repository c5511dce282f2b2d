"""One self-contained HTML page about a sync: read in `facts`, drawn in `plots`, written in `page` (extra `report`)."""

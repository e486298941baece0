"""The gas table: its rows, and the exchanges that they are measured on."""

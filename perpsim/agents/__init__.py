"""Who trades, liquidates and reports prices: populations held in arrays."""

"""Where prices come from: candle files, price tables, and paths through them."""

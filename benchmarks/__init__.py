"""What the exchange costs: gas, and speed of the simulation."""

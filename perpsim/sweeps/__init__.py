"""Many runs instead of one: what varies, on how many crashes, and what it means for the size of the fund."""

"""What the fast half is checked against: naive twins and oracles that share no code with it."""

"""The two backends against each other, with hostile input, cut answers and many clients at once."""

"""What an operator does to a running proxy and its downstreams, under load, with real programs."""

"""The contract's rules, each against every backend. Sent as raw bytes, judged at both ends."""

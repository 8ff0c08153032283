"""What each client library and recipe costs inside a server: the points that are measured, and how."""

"""The comparison's subjects, started as they are compared. Not part of the suite that checks a proxy."""

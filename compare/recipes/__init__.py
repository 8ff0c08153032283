"""Whole small apps as people write them, each run by uvicorn in a process of its own."""

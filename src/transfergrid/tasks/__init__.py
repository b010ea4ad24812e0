"""Kinds of task, each in two halves: what learning needs and what scoring needs."""

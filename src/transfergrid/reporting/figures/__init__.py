"""The figures of a study, each with its caption and its condition."""

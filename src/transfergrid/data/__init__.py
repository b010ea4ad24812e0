"""From source images to a manifest and an immutable cache."""

"""Pictures on disk: reading them, choosing them, pairing photos with styles."""

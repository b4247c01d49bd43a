"""ocmf."""

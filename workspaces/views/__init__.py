"""Pages of cloud configurations and workspaces."""

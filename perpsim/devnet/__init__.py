"""The exchange on a node: deployments, the live log, bots."""

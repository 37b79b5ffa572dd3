"""Clusters in a customer's own AWS account, entered through an IAM role with an External ID."""

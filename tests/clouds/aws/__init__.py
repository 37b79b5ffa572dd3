"""A strict AWS server for tests: moto's own application, in a process of its own, and stricter.

Plain moto answers the calls of a provisioner, but it hides the mistakes that a provisioner makes:
a launch repeated with the same client token launches again, a teardown in the wrong order passes,
every trust policy lets everybody in, a command "succeeds" without being run. Each module here
repairs one of these and says so. ``server`` starts it, ``fixtures`` gives it to tests.

What it does NOT prove: anything about AWS itself. No call was ever compared with a real account.
It is our reading of AWS's documentation, and it proves our code against that reading. Not here at
all: real times (a NAT gateway takes minutes), throttling budgets, networks (nothing is routed,
a security group stops nothing), images and kernels, EFA, KMS and bucket policies (moto ignores
their conditions, so that "deny without TLS" locks a bucket), the prices.
"""

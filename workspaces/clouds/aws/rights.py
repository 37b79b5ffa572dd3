"""Asking IAM which rights a user or role has, without trying them (F070, F077)."""

from __future__ import annotations

from collections.abc import Iterable

from workspaces.clouds.aws.account import Access, Client
from workspaces.clouds.aws.errors import told
from workspaces.clouds.aws.policies import Probe


def missing_rights(
    access: Access, region: str, principal_arn: str, probes: Iterable[Probe]
) -> list[str]:
    """The actions, sorted, that IAM would deny the user or role. Raises CloudError when IAM does
    not let ``access`` ask.
    """
    iam = access.client("iam", region)
    missing: set[str] = set()
    for probe in probes:
        with told("ask IAM for the rights", access.who):
            missing |= _denied(iam, principal_arn, probe)
    return sorted(missing)


def _denied(iam: Client, principal_arn: str, probe: Probe) -> set[str]:
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=principal_arn,
        ActionNames=list(probe.actions),
        ResourceArns=list(probe.resources),
        ContextEntries=list(probe.context),
    )
    return {
        str(result["EvalActionName"])
        for page in pages
        for result in page["EvaluationResults"]
        if result["EvalDecision"] != "allowed"
    }

"""DryRun of every EC2 action: says what would happen, and does nothing.

In plain moto a dry run of ``create_vpc``, and of many others, makes the thing.
"""

from __future__ import annotations

from typing import Any

from moto.core.utils import method_names_from_class
from moto.ec2.responses import EC2Response

from tests.clouds.aws.moto_hooks import Asked, Proceed, Refusal, around

VERBS = ("allocate", "associate", "attach", "authorize", "create", "delete", "detach", "modify")
VERBS += ("disassociate", "describe", "import", "release", "revoke", "run", "start", "stop")
VERBS += ("terminate", "reboot", "register", "deregister")


def _only_say(request: Any, proceed: Proceed) -> Any:
    if request._get_bool_param("DryRun"):
        raise Refusal(
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.",
            status=412,
        )
    return proceed()


def install() -> None:
    names = [name for name in method_names_from_class(EC2Response) if name.split("_")[0] in VERBS]
    around(EC2Response, *names, asked=Asked.BEFORE_ALL)(_only_say)

from __future__ import annotations

import json

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bodoweb.demo import Demo, NoDemo, demo_ensure
from bodoweb.preparation import prepare_database


class Command(BaseCommand):
    help = "Create a demo organization with an activated user and a READY workspace, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="end with one line of JSON; ids are uuids"
        )

    def handle(self, *, json: bool, **_options: object) -> None:
        prepare_database()
        try:
            demo = demo_ensure()
        except NoDemo as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(_as_json(demo) if json else _as_text(demo))


def _as_json(demo: Demo) -> str:
    return json.dumps(
        {
            "url": settings.PUBLIC_URL,
            "email": demo.user.email,
            "password": demo.password,
            "organization": str(demo.organization.uuid),
            "workspace": str(demo.workspace.uuid),
        }
    )


def _as_text(demo: Demo) -> str:
    return (
        f"Sign in at {settings.PUBLIC_URL}\n"
        f"  E-mail     {demo.user.email}\n"
        f"  Password   {demo.password}\n"
        f"  Workspace  {demo.workspace.name} of {demo.organization.name}"
    )

"""A storm: random kills of everything while users work; afterwards all is well, then all is gone.

``make soak``; BODO_SOAK_KILLS says how many kills, BODO_FAULT_SEED which ones.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from uuid import UUID

import pytest

from clusters.models import Cluster
from jobs.models import Job
from tests.faults import invariants
from tests.faults.conftest import SEED
from tests.faults.person import Person
from tests.faults.scene import DATABASE, Scene
from tests.faults.storm import OWNER, Storm
from tests.stack import Stack
from tests.waiting import wait_until
from workspaces.models import Notebook, Operation, Workspace

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]

KILLS = int(os.environ.get("BODO_SOAK_KILLS") or "60")
CALM_SECONDS = 240
MEMBERS = ("ada@example.org", "grace@example.org")
PASSWORD = "a storm is coming 42"
# By the services an operator's shell has: activated, verified, a member of the workspace.
ENROL = """
from allauth.account.models import EmailAddress
from django.utils import timezone
from accounts.models import User
from accounts.services import user_activate
from workspaces.models import OrganizationMembership, Workspace, WorkspaceMembership
workspace = Workspace.objects.get(uuid="{workspace}")
user = User.objects.create_user("{email}", password="{password}", first_name="A", last_name="B")
EmailAddress.objects.create(user=user, email="{email}", verified=True, primary=True)
user_activate(user=user, now=timezone.now())
OrganizationMembership.objects.create(user=user, organization=workspace.organization)
WorkspaceMembership.objects.create(user=user, workspace=workspace, role="MEMBER")
"""


@pytest.fixture
def people(stack: Stack, person: Person) -> list[Person]:
    demo = stack.demo()
    members = []
    for email in MEMBERS:
        known = {"workspace": demo["workspace"], "email": email, "password": PASSWORD}
        stack.manage("shell", "-c", ENROL.format(**known))
        member = Person(demo["url"], demo["workspace"])
        member.sign_in(email, PASSWORD)
        members.append(member)
    return [person, *members]


def test_nothing_is_lost_doubled_or_left_by_a_storm_of_kills(
    scene: Scene, people: list[Person]
) -> None:
    storm = Storm(scene, people)
    storm.say(f"BODO_FAULT_SEED={SEED} BODO_SOAK_KILLS={KILLS}")

    storm.gather(clusters=2)
    storm.rage(KILLS)
    storm.say("the storm is over")
    calm = settle(storm)
    assert_kept(storm)
    ends = {"clusters": states(Cluster), "jobs": states(Job), "notebooks": states(Notebook)}
    remove_everything(storm)

    invariants.check(scene)
    assert states(Cluster).keys() <= {Cluster.State.TERMINATED}
    assert states(Notebook).keys() == {Notebook.State.TERMINATED}
    assert not storm.parts()
    report(storm, ends, calm)


def settle(storm: Storm) -> float:
    """Seconds until nothing is open any more and all that died was found dead."""
    began = time.monotonic()
    open_ones = Operation.objects.using(DATABASE).unsettled()
    wait_until(lambda: not open_ones.exists(), timeout=CALM_SECONDS, every=0.5)
    invariants.check(storm.scene)
    return time.monotonic() - began


def assert_kept(storm: Storm) -> None:
    """Accepted is made once, refused is not made; a log that succeeded is whole."""
    jobs = Job.objects.using(DATABASE).filter(created_at__gte=storm.scene.began_at)
    assert set(jobs.values_list("uuid", flat=True)) == set(storm.accepted)
    own = Cluster.objects.using(DATABASE).filter(
        created_at__gte=storm.scene.began_at, is_dedicated=False
    )
    assert set(own.values_list("uuid", flat=True)) == storm.made
    assert not [status for status in storm.answers if status not in {302, 422}], storm.answers
    operations = Operation.objects.using(DATABASE).filter(created_at__gte=storm.scene.began_at)
    assert not list(operations.filter(events__message__startswith="The platform itself failed"))
    assert_files_and_workspaces(storm)
    notebooks = Notebook.objects.using(DATABASE).filter(created_at__gte=storm.scene.began_at)
    assert set(notebooks.values_list("uuid", flat=True)) == set(storm.notebooks)
    for job in jobs.filter(state=Job.State.SUCCEEDED):
        log = storm.scene.person.log(job.uuid)
        ticks = storm.accepted[job.uuid]
        counts = [log.count(f"tick {tick} of rank 0<") for tick in range(ticks)]
        assert counts == [1] * ticks, f"{job}: {counts}"
        assert "the end of rank 0" in log
    for job in jobs.filter(cluster__is_dedicated=True).select_related("cluster"):
        assert job.cluster.state == Cluster.State.TERMINATED, f"{job} left {job.cluster}"


def assert_files_and_workspaces(storm: Storm) -> None:
    folders = storm.scene.stack.data_dir / "local" / "workspaces"
    shared = folders / storm.scene.stack.demo()["workspace"] / "shared"
    for name, content in storm.files.items():
        assert (shared / name).read_bytes() == content
    rows = Workspace.objects.using(DATABASE).filter(created_at__gte=storm.scene.began_at)
    assert set(rows.values_list("uuid", flat=True)) == storm.workspaces
    for workspace in rows:
        is_removed = workspace.uuid in storm.removed
        assert workspace.status == ("TERMINATED" if is_removed else "READY")
        assert (folders / str(workspace.uuid)).exists() != is_removed


def states(model: type[Cluster] | type[Job] | type[Notebook]) -> Counter[str]:
    return Counter(model.objects.using(DATABASE).values_list("state", flat=True))


def remove_everything(storm: Storm) -> None:
    """By the button, as a user would; one that was asked for and FAILED is asked for again."""
    rows = Cluster.objects.using(DATABASE).live()
    left: list[UUID] = list(rows.values_list("uuid", flat=True))
    for uuid in left:
        storm.scene.remove_cluster(uuid)
    notebooks = Notebook.objects.using(DATABASE).live()
    for uuid in list(notebooks.values_list("uuid", flat=True)):
        answer = storm.people[OWNER].press("notebooks", uuid, "remove")
        assert answer.is_accepted, f"removing was answered {answer.status}"
    wait_until(
        lambda: not rows.exists() and not notebooks.exists(), timeout=CALM_SECONDS, every=0.2
    )


def report(storm: Storm, ends: dict[str, Counter[str]], calm: float) -> None:
    operations = Operation.objects.using(DATABASE).filter(
        created_at__gte=storm.scene.began_at, finished_at__isnull=False
    )
    carried = Counter(operations.values_list("kind", "status"))
    cluster_work = operations.filter(kind__startswith="cluster.")
    longest = max(
        ((o.finished_at - o.created_at).total_seconds(), o.kind)
        for o in cluster_work
        if o.finished_at
    )
    storm.say(f"{storm.kills.total()} kills:", dict(storm.kills.most_common()))
    storm.say(f"{storm.actions.total()} actions:", dict(storm.actions.most_common()))
    storm.say("answers:", dict(storm.answers))
    storm.say("operations:", {" ".join(key): n for key, n in carried.most_common()})
    failed = operations.filter(status=Operation.Status.FAILED)
    storm.say("failures:", dict(Counter(failed.values_list("error_code", flat=True))))
    storm.say("after the storm:", {k: dict(v) for k, v in ends.items()})
    storm.say(
        f"longest recovery, a cluster's act through the kills: {longest[1]}, {longest[0]:.1f} s"
    )
    storm.say(f"calm {calm:.1f} s after the last kill")

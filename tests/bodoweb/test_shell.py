"""The frame around every page: theme, menus, organizations, messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from bodoweb.templatetags.ui import STATUS_COLORS
from clusters.models import Cluster
from jobs.models import Job
from workspaces.models import Organization, OrganizationMembership, Workspace

SignedIn = Callable[[User], Client]
Member = Callable[..., User]
TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))


def menu(page: str) -> list[str]:
    nav = page.split('<nav class="sidebar-nav"')[1].split("</nav>")[0]
    return re.findall(r"<span>([^<]+)</span>", nav)


def test_the_theme_is_kept_in_a_cookie_and_drawn_by_the_server(client: Client, db: None) -> None:
    response = client.post("/theme/", {"theme": "dark", "next": "/terms/"})

    assert response.url == "/terms/"
    assert b'data-bs-theme="dark"' in client.get("/terms/").content


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:x"])
def test_the_theme_form_leads_to_no_other_site(client: Client, target: str) -> None:
    response = client.post("/theme/", {"theme": "dark", "next": target})

    assert response.url == "/"


@pytest.mark.parametrize("theme", ["", "<script>", "blue"])
def test_an_unknown_theme_is_not_kept(client: Client, theme: str) -> None:
    response = client.post("/theme/", {"theme": theme})

    assert "theme" not in response.cookies


def test_a_forged_theme_cookie_is_ignored(client: Client) -> None:
    client.cookies["theme"] = "x onload=alert(1)"

    assert b'data-bs-theme="auto"' in client.get("/terms/").content


def test_the_theme_changes_by_post_only(client: Client) -> None:
    assert client.get("/theme/").status_code == 405


@pytest.mark.parametrize(
    ("role", "entries"),
    [
        (
            "OWNER",
            [
                "Dashboard",
                "Workspaces",
                "Cloud Configuration",
                "Users",
                "Timeline",
                "Documentation",
            ],
        ),
        ("MEMBER", ["Dashboard", "Workspaces", "Documentation"]),
    ],
)
def test_the_organization_menu_hides_what_the_role_may_not(
    organization: Organization,
    member: Member,
    signed_in: SignedIn,
    role: str,
    entries: list[str],
) -> None:
    """V28."""
    page = signed_in(member(role)).get(f"/o/{organization.uuid}/").content.decode()

    assert menu(page) == entries
    assert page.count('aria-current="page"') == 1


def test_the_workspace_menu_leads_back(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    """V28."""
    page = signed_in(member("VIEWER", workspace)).get(f"/w/{workspace.uuid}/").content.decode()

    assert menu(page) == [
        "Notebooks",
        "Jobs",
        "Clusters",
        "Files",
        "Users",
        "Timeline",
        "Workspace Settings",
        "Workspace details",
        "Back to organization",
    ]


def test_the_switcher_lists_own_organizations_alone(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    """F012, F013."""
    owner = member("OWNER")
    second = Organization.objects.create(name="Babbage")
    Organization.objects.create(name="Strangers")
    OrganizationMembership.objects.create(organization=second, user=owner, role="MEMBER")

    page = signed_in(owner).get(f"/o/{organization.uuid}/").content.decode()

    assert f"/o/{second.uuid}/" in page
    assert "Strangers" not in page


def test_home_returns_to_the_last_organization(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    """F013."""
    owner = member("OWNER")
    second = Organization.objects.create(name="Babbage")
    OrganizationMembership.objects.create(organization=second, user=owner, role="MEMBER")
    browser = signed_in(owner)

    first_visit = browser.get("/").url
    browser.get(f"/o/{second.uuid}/")

    assert first_visit == f"/o/{organization.uuid}/"
    assert browser.get("/").url == f"/o/{second.uuid}/"


def test_without_an_organization_home_says_so(
    user: Callable[..., User], signed_in: SignedIn
) -> None:
    response = signed_in(user()).get("/")

    assert b"You are in no organization" in response.content


def test_the_dashboard_begins_with_five_open_steps(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    """V05."""
    page = signed_in(member("OWNER")).get(f"/o/{organization.uuid}/").content.decode()

    for words in (
        "This is your dashboard",
        "Hello Alice",
        "STEP 1",
        "Add your cloud configuration",
        "Create first workspace",
        "Create first cluster",
        "Create first notebook",
        "Run first job",
        "There are no running clusters.",
    ):
        assert words in page
    assert "is-done" not in page


def test_done_steps_change_colour_and_text(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    """V05, F032."""
    page = signed_in(member("OWNER")).get(f"/o/{workspace.organization.uuid}/").content.decode()

    assert page.count("is-done") == page.count("· DONE") == 2
    assert "First workspace created" in page
    assert f"/w/{workspace.uuid}/clusters/create/" in page
    assert f"/w/{workspace.uuid}/notebooks/" in page


def test_the_dashboard_shows_what_runs_and_only_where_one_may_look(
    workspace: Workspace,
    cluster: Callable[..., Cluster],
    member: Member,
    signed_in: SignedIn,
) -> None:
    running = cluster("Alpha", state="RUNNING")
    cluster("Beta", state="PAUSED")
    Job.objects.create(
        workspace=workspace,
        cluster=running,
        name="Nightly",
        command="a.py",
        source_url="https://git.example.org/a",
        state="RUNNING",
        created_at=running.created_at,
    )
    address = f"/o/{workspace.organization.uuid}/"

    inside = signed_in(member("VIEWER", workspace)).get(address).content.decode()
    outside = signed_in(member("MEMBER")).get(address).content.decode()

    assert "Alpha" in inside
    assert "Nightly" in inside
    assert "Beta" not in inside
    assert "Alpha" not in outside


def test_the_dashboard_takes_as_many_queries_for_ten_clusters_as_for_one(
    workspace: Workspace,
    cluster: Callable[..., Cluster],
    member: Member,
    signed_in: SignedIn,
    django_assert_max_num_queries: Callable[[int], object],
) -> None:
    browser = signed_in(member("OWNER"))
    for number in range(10):
        cluster(f"Cluster {number}", state="RUNNING")

    with django_assert_max_num_queries(22):
        browser.get(f"/o/{workspace.organization.uuid}/")


def test_a_stranger_finds_no_dashboard(
    organization: Organization, user: Callable[..., User], signed_in: SignedIn
) -> None:
    assert signed_in(user()).get(f"/o/{organization.uuid}/").status_code == 404


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_obey_the_content_security_policy(template: Path) -> None:
    text = template.read_text(encoding="utf-8")

    assert not re.search(r"\sstyle=|\son(click|change|submit|load)=|<style|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"(src|href)=\"(https?:)?//", text)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_no_comment_over_several_lines(template: Path) -> None:
    """Django would print it."""
    for line in template.read_text(encoding="utf-8").splitlines():
        assert ("{#" in line) == ("#}" in line), line


def test_every_icon_in_a_template_exists() -> None:
    folder = settings.NODE_MODULES / "@tabler" / "icons" / "icons" / "outline"
    if not folder.exists():
        pytest.skip("front-end packages are not installed")
    texts = [path.read_text(encoding="utf-8") for path in TEMPLATES]
    names = {n for text in texts for n in re.findall(r"(?:icon |icon_name=)\"([\w-]+)\"", text)}

    assert sorted(name for name in names if not (folder / f"{name}.svg").exists()) == []


@pytest.mark.parametrize("status", [*Cluster.State.values, *Workspace.Status.values])
def test_statuses_without_a_colour_are_those_that_ended_quietly(status: str) -> None:
    quiet = {"PAUSED", "STOPPED", "TERMINATED", "CANCELLED"}

    assert (status in STATUS_COLORS) == (status not in quiet)

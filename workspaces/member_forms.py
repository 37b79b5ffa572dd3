"""Forms of teams: invite, change a role, hand over, and sign up with an invitation."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.models import EmailAddress
from django import forms
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.forms import EMAIL_LABEL
from accounts.models import User
from accounts.services import user_activate
from workspaces.forms import SignupForm
from workspaces.models import Invitation
from workspaces.services import invitation_accept
from workspaces.teams import Team

EMPTY = [("", "Select a role…")]


class RoleForm(forms.Form):
    """The role of one member; the choices are those the asker may give."""

    role = forms.ChoiceField(
        label="Role", error_messages={"invalid_choice": "You can not give that role."}
    )

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(*args, **kwargs)
        role = self.fields["role"]
        assert isinstance(role, forms.ChoiceField)  # noqa: S101 - for the type checker
        role.choices = choices


class InviteForm(RoleForm):
    email = forms.EmailField(
        label=EMAIL_LABEL,
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    field_order = ("email", "role")

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - Django's signature
        team: Team,
        choices: list[tuple[str, str]],
        **kwargs: Any,  # noqa: ANN401 - Django's signature
    ) -> None:
        super().__init__(*args, choices=EMPTY + choices, **kwargs)
        days = settings.INVITATION_DAYS
        self.fields[
            "email"
        ].help_text = (
            f"They get a link that works once, within {days} day{'' if days == 1 else 's'}."
        )
        if team.workspace:
            self.fields["role"].help_text = (
                f"Whoever is not in {team.organization.name} yet becomes a Member of it, "
                "and sees this workspace alone."
            )

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class MemberChoiceField(forms.ModelChoiceField[User]):
    def label_from_instance(self, obj: User) -> str:
        name = obj.get_full_name()
        return f"{name} ({obj.email})" if name else obj.email


class TransferForm(forms.Form):
    member = MemberChoiceField(
        queryset=User.objects.none(),
        to_field_name="uuid",
        label="New Owner",
        empty_label="Select a member…",
        error_messages={"invalid_choice": "That person is not a member."},
    )

    def __init__(self, *args: Any, team: Team, giver: User, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(*args, **kwargs)
        member = self.fields["member"]
        assert isinstance(member, MemberChoiceField)  # noqa: S101 - for the type checker
        people = User.objects.filter(pk__in=team.memberships().values("user"))
        member.queryset = people.exclude(pk=giver.pk).order_by("email")


class InvitationSignupForm(SignupForm):
    """An account for the invited address: the link proved it, so no second mail is needed."""

    organization_name = None  # type: ignore[assignment]  # they join one, and make none

    def __init__(self, *args: Any, invitation: Invitation, **kwargs: Any) -> None:  # noqa: ANN401 - allauth's signature
        super().__init__(*args, **kwargs)
        self.invitation = invitation
        self.initial["email"] = invitation.email
        self.fields["email"].disabled = True  # what the browser sends for it is not read

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """The new user, who is in the team already; or neither, for an address with an account.

        Raises InvitationRefused when the invitation was used or taken back meanwhile; then there
        is no user either.
        """
        if self.account_already_exists:
            return None, None
        try:
            with transaction.atomic():
                user = cast("User", self.save(request))
                EmailAddress.objects.filter(user=user).update(verified=True)
        except IntegrityError:
            return None, None
        return User.objects.get(pk=user.pk), None

    def signup(self, request: HttpRequest, user: User) -> None:
        """Called by allauth's ``save`` within our transaction."""
        now = timezone.now()
        user.terms_version = settings.TERMS_VERSION
        user.terms_accepted_at = now
        user.save(update_fields=["terms_version", "terms_accepted_at"])
        user_activate(user=user, now=now)
        invitation_accept(invitation=self.invitation, user=user, now=now)

"""Operators: who has an account, and the way back for whoever is locked out (F011)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.guards import UserRefused, user_departure_check
from accounts.models import User
from accounts.services import user_unlock

HISTORY = (
    "uuid",
    "terms_version",
    "terms_accepted_at",
    "date_joined",
    "activated_at",
    "last_login",
    "locked_at",
    "unlocked_at",
)
RIGHTS = ("is_staff", "is_superuser", "groups")


class UserForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    def clean_is_active(self) -> bool:
        is_active = bool(self.cleaned_data["is_active"])
        if self.instance.is_active and not is_active:
            try:
                user_departure_check([self.instance])
            except UserRefused as error:
                raise forms.ValidationError(str(error)) from error
        return is_active


@admin.register(User)
class UserAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs alone
    """Accounts begin at the sign-up page and passwords are reset by mail, so neither is here."""

    list_display = ["email", "first_name", "last_name", "is_staff", "last_login", "locked_at"]
    list_filter = [("locked_at", admin.EmptyFieldListFilter), "is_active", "is_staff"]
    search_fields = ["email", "first_name", "last_name"]
    ordering = ["email"]
    actions = ["unlock"]
    fields = [
        "email",
        "first_name",
        "last_name",
        "is_active",
        *RIGHTS,
        *HISTORY,
    ]
    filter_horizontal = ["groups"]
    form = UserForm

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Only a superuser hands out the rights of one."""
        shown = [*HISTORY, "email"]
        return shown if request.user.is_superuser else [*shown, *RIGHTS]

    def get_deleted_objects(
        self, objs: Sequence[Any] | QuerySet[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Asked for the question and again for the answer, of one user or of a selection; what is
        protected is not deleted."""
        to_delete, counts, perms, protected = super().get_deleted_objects(objs, request)
        try:
            user_departure_check(list(objs))
        except UserRefused as error:
            messages.error(request, str(error))
            protected = [*protected, str(error)]
        return to_delete, counts, perms, protected

    def response_action(
        self,
        request: HttpRequest,
        queryset: QuerySet[User],
        *args: Any,  # noqa: ANN401 - handed on as it comes
    ) -> HttpResponse | None:
        """One transaction, so that what was asked about a selection still holds when it goes."""
        with transaction.atomic():
            return super().response_action(request, queryset)

    @admin.action(description="Unlock selected users", permissions=["change"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        operator = request.user
        assert isinstance(operator, User)  # noqa: S101 - the admin lets only users in
        count = 0
        for user in queryset:
            if user_unlock(user=user, now=timezone.now(), by=operator):
                self.log_change(request, user, "Unlocked")
                count += 1
        self.message_user(request, f"Unlocked {count} of {len(queryset)} users.", messages.SUCCESS)

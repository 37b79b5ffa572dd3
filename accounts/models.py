"""People: signed in by e-mail, activated by a link, locked when dormant."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models.functions import Coalesce, Greatest, Lower


class UserQuerySet(models.QuerySet["User"]):
    def dormant(self, now: datetime) -> UserQuerySet:
        """Unlocked people whose last sign of life is more than DORMANT_DAYS ago (F010).

        Exactly that many days ago is not yet dormant. Who never activated can not sign in anyway,
        and may still do it with a new link.
        """
        cutoff = now - timedelta(days=settings.DORMANT_DAYS)
        unlocked = self.filter(locked_at=None).exclude(last_login=None, activated_at=None)
        return unlocked.annotate(
            # without Coalesce, SQLite's MAX of a NULL is NULL and PostgreSQL's GREATEST is not
            last_seen=Greatest(
                Coalesce("last_login", "date_joined"),
                Coalesce("activated_at", "date_joined"),
                Coalesce("unlocked_at", "date_joined"),
            )
        ).filter(last_seen__lt=cutoff)


class UserManager(BaseUserManager["User"]):
    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def dormant(self, now: datetime) -> UserQuerySet:
        return self.get_queryset().dormant(now)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:  # noqa: ANN401 - Django's signature
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:  # noqa: ANN401 - Django's signature
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractUser):
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    username = None  # type: ignore[assignment]  # people sign in by e-mail
    email = models.EmailField("E-mail address", unique=True)
    terms_version = models.CharField(max_length=40, blank=True)
    terms_accepted_at = models.DateTimeField(null=True, blank=True)
    activated_at = models.DateTimeField(null=True, blank=True)
    locked_at = models.DateTimeField(null=True, blank=True)
    unlocked_at = models.DateTimeField(null=True, blank=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]  # ours has no username

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_any_case"),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_locked(self) -> bool:
        return self.locked_at is not None

    def is_dormant(self, now: datetime) -> bool:
        """More than DORMANT_DAYS since the last login, activation or unlocking (F010)."""
        if self.last_login is None and self.activated_at is None:
            return False
        seen = max(
            filter(None, (self.last_login, self.activated_at, self.unlocked_at, self.date_joined))
        )
        return now - seen > timedelta(days=settings.DORMANT_DAYS)

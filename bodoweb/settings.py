"""Settings: everything that differs between installations comes from the environment.

The variables are listed in the README with their defaults. ``development`` is the embedded
default (SQLite, Local cloud, mailbox page); ``production`` asks for what it needs.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF
from django.contrib.messages import constants as message_levels
from django.core.exceptions import ImproperlyConfigured

from bodoweb.environment import (
    Env,
    aws_account_id,
    aws_images,
    aws_regions,
    database,
    field_keys,
    folder,
    notebook_hosts,
    notebook_origin,
    secret,
)

django_stubs_ext.monkeypatch()  # ModelForm[…] and the like may then be written in the code
env = Env()

BASE_DIR = Path(__file__).resolve().parent.parent
MODE = env.choice("BODO_MODE", ("development", "production"), "development")
IS_DEVELOPMENT = MODE == "development"
PROCESS = env.choice(
    "BODO_PROCESS", ("command", "web", "notebooks", "worker", "controller"), "command"
)
DATA_DIR = folder("BODO_DATA_DIR", BASE_DIR / "var")

# Django itself ------------------------------------------------------------------------------

DEBUG = env.flag("BODO_DEBUG", default=False)
SECRET_KEY = secret(
    "BODO_SECRET_KEY", fallback_file=DATA_DIR / "secret_key" if IS_DEVELOPMENT else None
)
FIELD_KEYS = field_keys(
    secret("BODO_FIELD_KEYS", fallback_file=DATA_DIR / "field_key" if IS_DEVELOPMENT else None)
)

PORT = env.port("BODO_PORT", 8000)
NOTEBOOK_PORT = env.port("BODO_NOTEBOOK_PORT", PORT + 1)
BIND = os.environ.get("BODO_BIND") or "127.0.0.1"
PUBLIC_URL = (os.environ.get("BODO_PUBLIC_URL") or f"http://localhost:{PORT}").rstrip("/")
_public = urlsplit(PUBLIC_URL)
if _public.scheme not in {"http", "https"} or not _public.hostname:
    raise ImproperlyConfigured(
        f"BODO_PUBLIC_URL must be an address such as https://bodo.example.org, not {PUBLIC_URL!r}."
    )
_origin = os.environ.get("BODO_NOTEBOOK_ORIGIN", "").strip()
if not _origin and not IS_DEVELOPMENT:
    raise ImproperlyConfigured(
        "BODO_NOTEBOOK_ORIGIN must be set in production, such as https://nb-{uuid}.notebooks.example."
    )
NOTEBOOK_ORIGIN = notebook_origin(
    _origin or f"http://nb-{{uuid}}.localhost:{NOTEBOOK_PORT}", public=_public
)
ALLOWED_HOSTS = [_public.hostname]
if IS_DEVELOPMENT:
    ALLOWED_HOSTS += ["localhost", "127.0.0.1"]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
TRUSTED_PROXY_COUNT = env.integer("BODO_TRUSTED_PROXY_COUNT", 0)

INSTALLED_APPS = [
    "accounts",
    "workspaces",
    "clusters",
    "jobs",
    "billing",
    "bodoweb",
    "allauth",
    "allauth.account",
    "allauth.usersessions",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "bodoweb.apps.StaticFiles",
    "django.forms",
    "csp",
    "django_htmx",
    "django_q",
    "template_partials",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "bodoweb.middleware.busy_database",
]

ROOT_URLCONF = "bodoweb.urls"
WSGI_APPLICATION = "bodoweb.wsgi.application"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["django_htmx.templatetags.django_htmx", "bodoweb.templatetags.ui"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "bodoweb.context_processors.shell",
            ],
        },
    }
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

# Database, cache and queue: one database for all of it ----------------------------------------

DATABASES = {
    "default": database(
        os.environ.get("DATABASE_URL") or f"sqlite:///{DATA_DIR / 'bodoweb.sqlite3'}"
    )
}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE takes the write lock at BEGIN: a transaction waits for it instead of failing half
    # way. ATOMIC_REQUESTS stays off, or every page would take that lock.
    _database["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=20000;"
        ),
    }
    _database["CONN_MAX_AGE"] = 60  # opening it anew at each poll of the queue costs 2 % of a core
else:
    # A pool that is inherited over fork hangs the queue, so only the web process has one.
    _database["CONN_MAX_AGE"] = 0 if PROCESS == "web" else 60
    _database["CONN_HEALTH_CHECKS"] = True
    if PROCESS == "web":
        pool = {"min_size": 2, "max_size": 8, "timeout": 10}
        _database["OPTIONS"] = {**_database.get("OPTIONS", {}), "pool": pool}

CACHES = {
    # Sign-in limits live here, so it is shared by all processes.
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "bodoweb_cache",
    },
    # django-q2 saves its own status twice a second; nobody reads it, the watchdog looks itself.
    "queue": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
}

WEB_PROCESS_COUNT = env.integer("BODO_WEB_PROCESSES", 2, minimum=1)

WORKER_COUNT = env.integer("BODO_WORKERS", 2, minimum=1)
STEP_TIMEOUT_SECONDS = 30
Q_CLUSTER = {
    "name": "bodoweb",
    "cache": "queue",
    "orm": "default",  # same database as the rows: enqueueing joins their transaction
    "workers": WORKER_COUNT,
    "timeout": STEP_TIMEOUT_SECONDS,
    "retry": 2 * STEP_TIMEOUT_SECONDS,
    "recycle": 1_000_000,  # the watchdog takes a vanished worker for a dead one
    "queue_limit": 1,  # smallest invisible prefetch
    "bulk": 1,
    "max_attempts": 1,  # our rows own attempts and deadlines
    "ack_failures": True,
    "save_limit": -1,
    "poll": 0.1,
    "guard_cycle": 0.5,
    "catch_up": False,
    "log_level": "WARNING",
    "compress": False,
    "time_zone": "UTC",
    "scheduler": False,  # schedules live in our own rows, the controller is our clock
}

# Accounts ---------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_MIN_LENGTH = 12
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": PASSWORD_MIN_LENGTH},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {"signup": "workspaces.forms.SignupForm"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 3
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
USERSESSIONS_TRACK_ACTIVITY = False

INVITATION_DAYS = env.integer("BODO_INVITATION_DAYS", 7, minimum=1)
INVITATIONS_PER_DAY = 100  # of one organization, so that nobody sends bulk mail through us
DORMANT_DAYS = 90  # F010: locked when the last login is more than this ago
TERMS_VERSION = os.environ.get("BODO_TERMS_VERSION") or "2026-11"
SUPPORT_EMAIL = os.environ.get("BODO_SUPPORT_EMAIL") or f"admin@{_public.hostname}"

# E-mail -----------------------------------------------------------------------------------------

DEFAULT_FROM_EMAIL = os.environ.get("BODO_FROM_EMAIL") or f"bodoweb@{_public.hostname}"
MAILBOX_DIR = DATA_DIR / "mailbox"
_email_url = os.environ.get("EMAIL_URL", "").strip()
if _email_url:
    try:
        vars().update(Env.email_url_config(_email_url))
    except (KeyError, ValueError, ImproperlyConfigured) as error:
        raise ImproperlyConfigured(
            "EMAIL_URL must look like smtp+tls://user:password@host:587."
        ) from error
elif IS_DEVELOPMENT:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = MAILBOX_DIR
else:
    raise ImproperlyConfigured("EMAIL_URL must be set in production: accounts need e-mail.")
HAS_MAILBOX = IS_DEVELOPMENT and not _email_url

# Clouds -----------------------------------------------------------------------------------------

UPLOAD_MIB = env.integer("BODO_UPLOAD_MIB", 16, minimum=1)
ARCHIVE_MIB = env.integer("BODO_ARCHIVE_MIB", 1024, minimum=1)
BODO_VERSION_COUNT = env.integer("BODO_VERSION_COUNT", 3, minimum=1)
LOCAL_CLOUD = env.flag("BODO_LOCAL_CLOUD", default=IS_DEVELOPMENT)
CLOUD_SETTINGS = {
    "local": {
        "root": str(Path(os.environ.get("BODO_LOCAL_DIR") or DATA_DIR / "local").resolve()),
        "version_count": BODO_VERSION_COUNT,
        "overcommit": env.integer("BODO_LOCAL_OVERCOMMIT", 2, minimum=1),
        "uv_cache": os.environ.get("BODO_UV_CACHE") or None,
        "git_private_addresses": env.flag("BODO_GIT_PRIVATE_ADDRESSES", default=IS_DEVELOPMENT),
        "shared_quota_mib": env.integer("BODO_SHARED_QUOTA_MIB", 0),
    },
    "aws": {
        "endpoint_url": os.environ.get("BODO_AWS_ENDPOINT_URL", "").strip(),
        "regions": aws_regions(os.environ.get("BODO_AWS_REGIONS", "")),
        "platform_account_id": aws_account_id(os.environ.get("BODO_PLATFORM_AWS_ACCOUNT_ID", "")),
        "images": aws_images(os.environ.get("BODO_AWS_IMAGES", "")),
        "cache_dir": str(DATA_DIR / "aws"),
        "version_count": BODO_VERSION_COUNT,
        "settle_seconds": env.integer("BODO_AWS_SETTLE_SECONDS", 60),
    },
}
AWS_CLOUD = env.flag("BODO_AWS", default=False)
PROVIDERS = [*(["aws"] if AWS_CLOUD else []), *(["local"] if LOCAL_CLOUD else [])]
JOB_LOG_DAYS = env.integer("BODO_JOB_LOG_DAYS", 90)  # 0: logs are kept for ever
SPENDING_GUARDS: list[str] = []  # dotted paths, asked before anything that costs
USER_GUARDS = ["workspaces.services.members.owners_stay_check"]  # asked before somebody goes
WORKSPACE_TENANTS = ["clusters.services.living_cluster_names"]
NOTEBOOK_ENDINGS = ["clusters.services.attachments_let_go"]
NOTEBOOK_CLUSTER_CHOICES = "clusters.notebook_choices.cluster_choices"
NOTEBOOK_CLUSTER_NAMES = "clusters.notebook_choices.cluster_names"
NOTEBOOK_ON_ENTRY = env.flag("BODO_NOTEBOOK_ON_ENTRY", default=True)
IDLE_WARNING_MINUTES = env.integer("BODO_IDLE_WARNING_MINUTES", 10)  # 0: nobody is warned
NOTEBOOK_IDLE_MINUTES = env.integer("BODO_NOTEBOOK_IDLE_MINUTES", 24 * 60)  # 0 is never
PERIODIC_DUTIES = {  # dotted path: seconds between two runs
    "accounts.tasks.lock_dormant_users": 24 * 3600,
    "clusters.tasks.check_clusters": 5,
    "clusters.tasks.run_idle_timers": 20,
    "clusters.tasks.settle_attachments": 5,
    "workspaces.tasks.check_notebooks": 5,
    "workspaces.tasks.pause_idle_notebooks": 60,
    "jobs.tasks.remove_old_logs": 3600,
    "clusters.tasks.watch_use": 10,
    "workspaces.tasks.refresh_clouds": 6 * 3600,
    "workspaces.tasks.forget_old_sessions": 24 * 3600,
    "workspaces.tasks.measure_shared_files": 300,
}

# Static files -----------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # collectstatic fills it; WhiteNoise wants it to be there
NODE_MODULES = BASE_DIR / "node_modules"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    # Its stylesheets alone: the script libraries it brings name source maps that are not there.
    ("tabler/css", NODE_MODULES / "@tabler" / "core" / "dist" / "css"),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# Security ---------------------------------------------------------------------------------------

IS_HTTPS = _public.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_NAME = "__Host-sessionid" if IS_HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if IS_HTTPS else "csrftoken"
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 14 * 24 * 3600
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]  # asked on the machine itself, without the proxy
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        # OPEN NOTEBOOK is a form whose answer leads to the notebook's own host.
        "form-action": [SELF, notebook_hosts(NOTEBOOK_ORIGIN)],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
MESSAGE_TAGS = {message_levels.ERROR: "danger", message_levels.DEBUG: "secondary"}

DEFAULT_EXCEPTION_REPORTER_FILTER = "bodoweb.error_reports.KeepsSecrets"

# Logging: ids, never values ---------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        **{
            name: {"level": "INFO"}
            for name in ("accounts", "workspaces", "clusters", "jobs", "billing", "bodoweb")
        },
        # Below WARNING it writes access keys and signatures, whatever the root's level is.
        "botocore": {"level": "WARNING"},
    },
}

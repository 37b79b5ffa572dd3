"""Signs of life of processes that look alive even when they have stopped working."""

from __future__ import annotations

from django.db import models


class Heartbeat(models.Model):
    """When ``name`` last proved that it works; written by whoever asked for the proof."""

    WORKERS = "workers"

    name = models.CharField(max_length=20, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%d %H:%M:%S}"

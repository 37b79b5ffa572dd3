"""Files that go in by the page come to a job, and what the job writes comes out by the page."""

from __future__ import annotations

import io
import zipfile
from uuid import UUID

import pytest

from tests.faults.person import Person
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SCRIPT = b"""\
import bodo
import numpy
from mpi4py import MPI

numbers = numpy.loadtxt("numbers.csv", delimiter=",")
total = MPI.COMM_WORLD.allreduce(numbers[bodo.get_rank() :: bodo.get_size()].sum())
if bodo.get_rank() == 0:
    print("the sum is", int(total), flush=True)
    with open("total.txt", "w") as file:
        file.write(f"{int(total)}\\n")
"""
NUMBERS = ",".join(map(str, range(1, 101))).encode()


@pytest.fixture
def person(stack: Stack) -> Person:
    demo = stack.demo()
    someone = Person(demo["url"], demo["workspace"])
    someone.sign_in(demo["email"], demo["password"])
    return someone


def test_a_job_reads_what_was_uploaded(person: Person) -> None:
    """F019, F155, F216."""
    assert person.make_folder("sums").is_accepted
    uploaded = person.upload("sums", {"sum.py": SCRIPT, "numbers.csv": NUMBERS})
    assert uploaded.is_accepted, uploaded.complaints()
    form = person.job_form("Sum", "", "sum.py", None)
    form |= {"source_kind": "WORKSPACE", "source_folder": "/shared/sums", "node_count": "1"}
    submitted = person.submit("jobs", form)
    assert submitted.is_accepted, submitted.complaints()

    log = _whole_log(person, UUID(form["uuid"]))

    assert "the sum is 5050" in log
    assert person.download("sums/total.txt") == b"5050\n"
    assert person.download("sums/numbers.csv", part="0-9") == NUMBERS[:10]
    assert person.download("sums/numbers.csv", part="10-") == NUMBERS[10:]
    archive = zipfile.ZipFile(io.BytesIO(person.download("sums", verb="archive")))
    assert archive.read("total.txt") == b"5050\n"
    assert archive.read("numbers.csv") == NUMBERS


def _whole_log(person: Person, job: UUID) -> str:
    """Bodo is installed first, which takes its time."""

    def look() -> str:
        log = person.log(job)
        return log if "End of the log" in log else ""

    return wait_until(look, timeout=600, every=0.5)

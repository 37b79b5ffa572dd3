"""What every provider must do with notebook servers; see test_conformance.py."""

from __future__ import annotations

import pytest

from tests.clouds.cases import Case, drive, serve
from tests.clouds.jupyter import answer
from tests.clouds.ledgers import MemoryLedger
from workspaces.clouds.base import CloudError
from workspaces.clouds.servers import NotebookPhase, NotebookSpec


def look(case: Case, spec: NotebookSpec) -> NotebookPhase:
    return case.cloud.observe_notebooks([spec.uuid])[spec.uuid].phase


def test_unknown_server_is_absent_and_can_be_stopped_and_removed(case: Case) -> None:
    spec = case.notebook()

    assert look(case, spec) is NotebookPhase.ABSENT
    assert case.cloud.stop_notebook(spec).is_done
    assert case.cloud.remove_notebook(spec, MemoryLedger()).is_done


@pytest.mark.e2e
def test_server_answers_whoever_has_its_token_and_leaves_nothing(serving: Case) -> None:
    spec = serving.notebook()

    address = serve(serving, spec).address

    assert answer(address, spec.token, "/lab") == 200
    assert answer(address, "") == 403
    assert answer(address, "another") == 403
    assert serving.cloud.observe_notebooks([spec.uuid])[spec.uuid].address == address
    announced = [entry for entry in serving.ledger.history if entry[0] == "announce"]
    assert len(announced) == len(set(announced))

    receipt = drive(lambda: serving.cloud.remove_notebook(spec, serving.ledger), serving.seconds)

    assert receipt.message.endswith("nothing is left")
    assert look(serving, spec) is NotebookPhase.ABSENT
    assert spec.uuid not in {found.notebook for found in serving.cloud.inventory()}
    assert not [name for _, name in serving.ledger.open_resources() if str(spec.uuid) in name]
    assert answer(address, spec.token) == 0


@pytest.mark.e2e
def test_stopped_server_is_absent_and_starts_afresh(serving: Case) -> None:
    spec = serving.notebook()
    first = serve(serving, spec)

    drive(lambda: serving.cloud.stop_notebook(spec), serving.seconds)
    stopped = look(serving, spec)
    while_stopped = answer(first.address, spec.token)
    serve(serving, spec)

    assert stopped is NotebookPhase.ABSENT
    assert while_stopped == 0


@pytest.mark.e2e
def test_removal_overtakes_the_start_of_a_server(serving: Case) -> None:
    spec = serving.notebook()
    serving.cloud.ensure_notebook(spec, serving.ledger)

    drive(lambda: serving.cloud.remove_notebook(spec, serving.ledger), serving.seconds)

    assert look(serving, spec) is NotebookPhase.ABSENT
    assert spec.uuid not in {found.notebook for found in serving.cloud.inventory()}


def test_what_is_not_there_can_not_be_attached(case: Case) -> None:
    spec, cluster = case.notebook(), case.cluster(nodes=1)

    with pytest.raises(CloudError) as refusal:
        case.cloud.attach_notebook(spec, cluster, name="demo", private_key="")

    assert refusal.value.message.endswith(".")
    case.cloud.detach_notebook(spec, cluster.uuid)

"""People, workers that stop, die or go on too late, rounds and the cleaning, in random order: nothing is lost.

`TAKEUP_INTERLEAVINGS=long` (`make interleavings`) runs new ones for `INTERLEAVINGS_MINUTES`, ten unless set.
"""

import os
import time
from asyncio import Runner
from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as Profile  # noqa: N812 - beside Takeup's own settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from app.core.config import Settings
from app.core.database import Sync, connect_async, ensure_indexes
from app.core.media_errors import LinkNotFoundError, ServerFaultError
from app.services.lease import HandOverError, LeaseLostError
from app.services.storage.bucket import Bucket
from tests.contract.interleaved_rules import check_rest, check_step, come_to_rest, work_to_the_end
from tests.contract.interleaved_worker import Worker, may_write
from tests.contract.interleaved_world import LINKS, Servers, World

LONG = os.environ.get("TAKEUP_INTERLEAVINGS") == "long"
MINUTES = float(os.environ.get("INTERLEAVINGS_MINUTES", "10"))
SCENES = 3
NEXT_TO_NOTHING = {
    "takeup_claim_grace_seconds": 0.001,
    "takeup_pending_grace_seconds": 0.001,
    "takeup_retry_base_seconds": 0.001,
    "takeup_retry_max_seconds": 0.001,
    "takeup_trash_seconds": 3600,
    "takeup_max_attempts": 2,
    "takeup_host_failures": 1000,
}
ANY = st.integers(0, 7)
LINK = st.sampled_from([None, *LINKS])
PEOPLE = st.sampled_from(["store", "store", "store a link", "force", "retry", "cancel", "delete", "restore", "restore"])
STEPS = st.sampled_from([1, 2, 3, 4, 12])
OVERTAKING = st.sampled_from(["cancel", "cancel", "force", "delete"])


class Interleavings(RuleBasedStateMachine):
    """One example: a project, up to three scenes, and whatever happens to them."""

    servers: ClassVar[Servers]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.servers)
        self.before = self.world.scenes()
        self.ids = [self.world.create(LINKS[0])]
        self.world.store(self.ids[0], None, force=False)
        self.world.receive(self.world.messages[0], large=False)

    def one(self, which: int) -> str:
        return self.ids[which % len(self.ids)]

    def worker(self, which: int) -> Worker:
        return self.world.workers[which % len(self.world.workers)]

    @precondition(lambda self: len(self.ids) < SCENES and self.world.with_project is None)
    @rule(link=LINK)
    def create(self, link: str | None) -> None:
        self.ids.append(self.world.create(link))

    @rule(which=ANY, what=PEOPLE, link=LINK, at_once=st.booleans())
    def ask(self, which: int, what: str, link: str | None, *, at_once: bool) -> None:
        """What is asked for; with `at_once` a worker begins right away."""
        self.people(self.one(which), what, link)
        if at_once and self.world.messages:
            self.check()
            self.world.receive(self.world.messages.pop(), large=which % 2 == 0)

    def people(self, scene_id: str, what: str, link: str | None) -> None:
        world = self.world
        requests: dict[str, Callable[[], None]] = {
            "store": lambda: world.store(scene_id, None, force=False),
            "store a link": lambda: world.store(scene_id, link, force=False),
            "force": lambda: world.store(scene_id, None, force=True),
            "retry": lambda: world.retry(scene_id),
            "cancel": lambda: world.cancel(scene_id),
            "delete": lambda: world.delete(scene_id),
            "restore": lambda: world.restore(scene_id),
        }
        requests[what]()

    @rule(which=ANY, text=st.none() | st.sampled_from("abc"), link=LINK, since=st.none() | st.integers(1, 20))
    def edit(self, which: int, text: str | None, link: str | None, since: int | None) -> None:
        self.world.edit(self.one(which), {"source_url": link} if text is None else {"text": text}, since)

    @precondition(lambda self: not self.world.gone)
    @rule(deleted=st.booleans())
    def change_project(self, *, deleted: bool) -> None:
        if deleted:
            self.world.delete_project()
        else:
            self.world.restore_project()

    @precondition(lambda self: self.world.messages)
    @rule(which=ANY, how=st.sampled_from(["once", "once", "again", "lost", "held"]), large=st.booleans())
    def deliver(self, which: int, how: str, *, large: bool) -> None:
        """A message: in any order, twice, never, or while its site is held back."""
        message = self.world.messages[-1 - which % len(self.world.messages)]
        if how != "again":
            self.world.messages.remove(message)
        if how != "lost":
            self.world.receive(message, large=large, held=ServerFaultError() if how == "held" else None)

    @precondition(lambda self: self.world.workers)
    @rule(which=ANY, steps=STEPS)
    def work(self, which: int, steps: int) -> None:
        self.go_on(self.worker(which), steps, swept=False)

    @precondition(lambda self: self.world.workers)
    @rule(which=ANY, steps=STEPS)
    def work_while_somebody_sweeps(self, which: int, steps: int) -> None:
        self.go_on(self.worker(which), steps, swept=True)

    def go_on(self, worker: Worker, steps: int, *, swept: bool = False) -> None:
        for _ in range(steps):
            if not worker.done:
                self.world.work(worker)
                self.check()
                if swept:
                    self.world.sweep(worker.claim.scene_id)
                    self.check()

    @precondition(lambda self: self.world.workers)
    @rule(which=ANY, before=st.integers(0, 6), what=OVERTAKING, after=st.integers(0, 2))
    def overtake(self, which: int, before: int, what: str, after: int) -> None:
        """A person is faster than a worker, which does not know for some steps more, and then dies."""
        worker = self.worker(which)
        self.go_on(worker, before)
        self.people(worker.claim.scene_id, what, None)
        self.check()
        self.go_on(worker, after)
        if not worker.done:
            self.world.workers.remove(worker)

    @precondition(lambda self: not self.world.workers)
    @rule(which=ANY)
    def sweep_slowly(self, which: int) -> None:
        """Between a sweep's look at the document and its look at the bucket the scene is stored anew."""
        scene_id = self.one(which)

        def store_anew() -> None:
            self.world.store(scene_id, None, force=True)
            self.check()
            for message in [one for one in self.world.messages if one[0] == scene_id]:
                self.world.messages.remove(message)
                work_to_the_end(self.world, self.world.receive(message, large=False), self.check)

        self.world.sweep(scene_id, store_anew)

    @precondition(lambda self: self.world.workers)
    @rule(which=ANY, error=st.sampled_from([ServerFaultError, LinkNotFoundError, HandOverError]))
    def fail(self, which: int, error: type[Exception]) -> None:
        self.world.work(self.worker(which), error())

    @precondition(lambda self: self.world.workers)
    @rule(which=ANY, how=st.sampled_from(["renews", "notices", "dies"]))
    def look(self, which: int, how: str) -> None:
        """A worker looks at its claim, and stops where that is lost; or it looks at nothing any more."""
        worker = self.worker(which)
        if how == "renews":
            self.world.renew(worker)
        elif how == "dies":
            self.world.workers.remove(worker)
        elif not may_write(self.world.scene(worker.claim.scene_id), worker.claim):
            self.world.work(worker, LeaseLostError())

    @precondition(lambda self: self.world.workers)
    @rule(which=ANY, large=st.booleans())
    def take_over(self, which: int, *, large: bool) -> None:
        """The lease of a worker that lives ends, and another takes the scene; the first does not know."""
        scene_id = self.worker(which).claim.scene_id
        self.world.let_leases_end(scene_id)
        self.world.reconcile()
        self.check()
        for message in [one for one in self.world.messages if one[0] == scene_id]:
            self.world.messages.remove(message)
            self.world.receive(message, large=large)

    @rule(which=ANY, what=st.sampled_from(["lease", "waits", "deletions", "lost workers"]))
    def let_time_pass(self, which: int, what: str) -> None:
        times: dict[str, Callable[[], None]] = {
            "lease": lambda: self.world.let_leases_end(self.one(which)),
            "waits": self.world.let_waits_end,
            "deletions": self.world.let_deletions_end,
            "lost workers": self.world.let_lost_workers_end,
        }
        times[what]()

    @rule(which=ANY, what=st.sampled_from(["reconcile", "clean up", "sweep"]))
    def go_round(self, which: int, what: str) -> None:
        rounds: dict[str, Callable[[], None]] = {
            "reconcile": self.world.reconcile,
            "clean up": self.world.clean_up,
            "sweep": lambda: self.world.sweep(self.one(which)),
        }
        rounds[what]()

    @invariant()
    def check(self) -> None:
        after = self.world.scenes()
        check_step(self.world, self.before, after)
        self.before = after

    def teardown(self) -> None:
        come_to_rest(self.world, self.check)
        check_rest(self.world)


@pytest.fixture(autouse=True, scope="module")
def _servers(shared_database: Sync, shared_bucket: Bucket, settings: Settings) -> Iterator[None]:
    own = settings.model_copy(update={"mongodb_database": shared_database.name, **NEXT_TO_NOTHING})
    with Runner() as runner:

        async def connect() -> Servers:
            api = connect_async(own)
            await ensure_indexes(api)
            return Servers(shared_database, api, runner, shared_bucket, own)

        Interleavings.servers = runner.run(connect())
        yield
        runner.run(Interleavings.servers.api.client.close())


def profile(*, examples: int, steps: int, derandomize: bool) -> Profile:
    return Profile(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=derandomize,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
    )


@pytest.mark.skipif(LONG, reason="new interleavings instead")
def test_nothing_is_lost_in_any_order_of_steps() -> None:
    run_state_machine_as_test(Interleavings, settings=profile(examples=30, steps=40, derandomize=True))


@pytest.mark.skipif(not LONG, reason="minutes; run by `make interleavings`")
def test_nothing_is_lost_in_new_orders_of_steps() -> None:
    deadline = time.monotonic() + 60 * MINUTES
    while time.monotonic() < deadline:
        run_state_machine_as_test(Interleavings, settings=profile(examples=50, steps=60, derandomize=False))

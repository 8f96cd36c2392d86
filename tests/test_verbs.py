import threading

import pytest

from mulle.verbs import Acting, acting, current, verb, verbs_of


class Models:
    plane = "models"

    @verb("read")
    def list(self) -> str:
        return current().verb

    @verb("write")
    def promote(self, name: str, *, reason: str = "") -> str:
        """Promote a model."""
        return f"{name} {reason} {self.list()} {current().verb}"

    @verb("write")
    def fail(self) -> None:
        raise ZeroDivisionError

    def helper(self) -> None: ...


def test_a_verb_knows_its_name() -> None:
    assert Models().list() == "models.list"


def test_a_verb_within_a_verb_has_its_own_name() -> None:
    assert Models().promote("delay", reason="better") == "delay better models.list models.promote"


def test_after_a_verb_nobody_acts() -> None:
    with pytest.raises(ZeroDivisionError):
        Models().fail()
    assert current() == Acting()


def test_a_verb_keeps_its_signature() -> None:
    assert Models.promote.__doc__ == "Promote a model."


def test_acting_is_inherited_where_nothing_is_said() -> None:
    with acting(actor="kim@host", cause="e1"), acting(reason="because") as state:
        assert state == current() == Acting("kim@host", "", "because", "e1")


def test_acting_ends_with_its_block() -> None:
    with acting(actor="kim@host"):
        pass
    assert current() == Acting()


def test_another_thread_acts_for_itself() -> None:
    seen = []
    with acting(actor="kim@host"):
        thread = threading.Thread(target=lambda: seen.append(current().actor))
        thread.start()
        thread.join()
    assert seen == ["system"]


@pytest.mark.parametrize("service", [Models, Models()])
def test_the_verbs_of_a_service(service: object) -> None:
    assert {name: scope for name, (scope, _) in verbs_of(service).items()} == {
        "fail": "write", "list": "read", "promote": "write",
    }  # fmt: skip


def test_a_found_verb_can_be_called() -> None:
    _, promote = verbs_of(Models())["promote"]
    assert promote("delay").startswith("delay")

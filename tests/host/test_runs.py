from comfy_execution.utils import CurrentNodeContext

from diff_harmonization.host.runs import current_run


def test_the_nodes_of_a_run_share_it_and_the_next_starts_afresh():
    with CurrentNodeContext("first", "7"):
        first = current_run()
        first.said.add("cat")
        first.requests = 2
    with CurrentNodeContext("first", "8"):
        assert current_run() is first
    with CurrentNodeContext("second", "7"):
        second = current_run()
        assert (second.prompt_id, second.said, second.requests) == ("second", set(), 0)


def test_there_is_no_run_outside_of_the_executor():
    assert current_run() is None

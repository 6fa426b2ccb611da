"""Which end-to-end tests are not tried on a cluster, each with the reason."""

from __future__ import annotations

# Of OpenFaaS' revision that is tried here; today's tells them.
_UNTOLD = "this revision of OpenFaaS tells no function's variables, which a switch of models needs"
_UNCOMPARED = "this revision of OpenFaaS tells no function's variables, and the doctor says so"
_OTHER_ORIGIN = "a browser trusts no origin in clear but its own machine's, and says so"
_OWN_STATUS = (
    "where a function is away, OpenFaaS' own gateway answers 500 or 502, not 503;"
    " the storm shows that nothing is lost"
)
# By file, or by file::test; parametrized ones all together.
REASONS: dict[str, str] = {
    "tests/e2e/test_damaged_models.py": _UNTOLD,
    "tests/e2e/test_doctor.py::test_functions_that_were_deployed_with_other_times_are_named": (
        _UNCOMPARED
    ),
    "tests/e2e/test_model_switch.py": _UNTOLD,
    "tests/e2e/test_real_models.py": _UNTOLD,
    "tests/e2e/test_page.py::test_the_browser_complains_of_nothing": _OTHER_ORIGIN,
    "tests/e2e/test_page.py::test_a_keyboard_is_enough": _OTHER_ORIGIN,
    "tests/e2e/test_dependencies_down.py::test_what_was_accepted_is_completed_after_a_kill": (
        _OWN_STATUS
    ),
    "tests/e2e/test_provider_behind_gateway.py::test_without_the_provider_an_upload_is_503": (
        _OWN_STATUS
    ),
    "tests/e2e/test_rotated_secrets.py": (
        "`imagectl secrets rotate` writes files; on a cluster they are Kubernetes' own Secrets"
        " (docs/kubernetes.md, Secrets)"
    ),
}


def reason(node: str) -> str | None:
    """Tell why a test is left out, by pytest's id of it; None: it is tried."""
    test = node.partition("[")[0]
    return REASONS.get(test) or REASONS.get(test.partition("::")[0])

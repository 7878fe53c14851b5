from diff_harmonization.core.errors import InputError


def test_a_refused_value_names_its_parameter():
    error = InputError("steps", "got 0, expected at least 1.")
    assert isinstance(error, ValueError)
    assert (error.parameter, error.message) == ("steps", "got 0, expected at least 1.")
    assert str(error) == "`steps`: got 0, expected at least 1."

import pytest

from core import errors


def test_an_error_says_what_is_wrong_and_then_what_to_do():
    error = errors.BadInput("the price is negative", "Give a price above zero")
    assert str(error) == "the price is negative. Give a price above zero"
    assert (error.message, error.remedy) == ("the price is negative", "Give a price above zero")


def test_an_error_without_a_remedy_is_its_message():
    assert str(errors.Conflict("the version has moved on")) == "the version has moved on"


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        (errors.UnknownName, errors.BadInput),
        (errors.SettingsError, errors.BadInput),
        (errors.StoreUnavailable, errors.Unavailable),
        (errors.Conflict, errors.XcrackError),
        (errors.Refused, errors.XcrackError),
        (errors.Corrupt, errors.XcrackError),
    ],
)
def test_every_error_belongs_to_the_family_that_decides_its_exit_code(kind, family):
    assert issubclass(kind, family)


def test_families_do_not_overlap():
    families = [errors.BadInput, errors.Conflict, errors.Refused, errors.Unavailable, errors.Corrupt]
    for one in families:
        assert [other for other in families if issubclass(one, other)] == [one]

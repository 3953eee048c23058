"""Households and the lives of their records."""

from datetime import date
from itertools import count

import pytest

from app.simulate.clerk import NO_ABODE, Birth, Clerk, Habits, NhsNumber, take_birth, take_home, take_number
from app.simulate.draw import Draw
from app.simulate.households import Builder, household, households
from app.simulate.names import ENGLISH, WELSH, generation, given_name
from app.simulate.people import Name, Person
from app.simulate.places import Home, Town, postcode
from app.simulate.records import Contact, Record
from app.simulate.timeline import Life
from app.simulate.trusts import TRUSTS

TOWN = Town("Lewes", "East Sussex", "BN7", ("RYR", "RXC", "RPC", "RA2"))
HOME = Home("4 Mill Lane", "Lewes", "East Sussex", "BN7 1AB", "01632 960001")


def numbers():
    return (f"number {place}" for place in count()).__next__


def alice(**changed: object):
    born = date(1984, 5, 23).toordinal()
    given = {"cluster": "alice", "sex": "F", "born": born, "names": [(born, Name("Marchant", "Alice", "Rose", "Ms"))]}
    return Person(**given | {"homes": [(1, HOME)], "town": TOWN, "nhs_number": "9990000018", "mobile": "07100 900101"} | changed)


def record(person, *contacts: Contact):
    trust = TRUSTS["RA2"]
    return Record(trust, trust.schemes[0], "1", person, date(2020, 1, 1).toordinal(), Habits(careful=True), list(contacts))


def test_a_household_depends_on_its_seed_and_place_alone():
    assert household(1, 5, numbers()).people == household(1, 5, numbers()).people
    assert household(1, 5, numbers()).people != household(1, 6, numbers()).people


def test_households_hold_exactly_the_people_asked_for():
    assert sum(len(found.people) for found in households(3, 501, numbers())) == 501


def test_twins_of_one_sex_never_bear_one_name():
    for place in range(400):
        build = Builder(Draw("twins", place), "H", numbers())
        mother = build.adult("F", (30, 40))
        build.twins(mother, mother.born + 9000, "Marchant")
        first, second = build.people[-2:]
        assert first.name.given != second.name.given
        assert (first.born, first.name.family) == (second.born, second.name.family)
        assert {first.birth_order, second.birth_order} == {1, 2}


def test_a_couple_marries_of_age():
    for place in range(200):
        build = Builder(Draw("couple", place), "H", numbers())
        man, woman = build.adult("M", (19, 40)), build.adult("F", (19, 40))
        build.marry(woman, man)
        (married,) = [person for person in (man, woman) if len(person.names) > 1]
        assert married.names[-1][0] - max(man.born, woman.born) >= 19 * 365 or married.names[-1][0] >= date(2025, 10, 31).toordinal()
        assert "name-change" in married.classes


@pytest.mark.parametrize(("year", "found"), [(1930, 0), (1949, 0), (1950, 1), (1984, 1), (1985, 2), (2020, 2)])
def test_generations(year, found):
    assert generation(year) == found


def test_given_names_are_of_their_sex_and_time():
    draw = Draw("given")
    assert "Rhys" in {given_name(draw, WELSH, "M", 1970) for _ in range(300)}
    assert "Doreen" not in {given_name(draw, ENGLISH, "F", 2010) for _ in range(300)}


def test_a_street_has_one_postcode():
    assert postcode("BN7", "Mill Lane") == postcode("BN7", "Mill Lane")
    assert postcode("BN7", "Mill Lane") != postcode("BN7", "High Street")


def test_a_careful_clerk_writes_what_is_true():
    clerk = Clerk(alice(), Habits(careful=True), Draw("c"), date(2024, 1, 1).toordinal())
    assert clerk.held == clerk.told
    assert clerk.held.number == NhsNumber("9990000018", "01")
    assert clerk.slipped() == ()


def test_a_thin_record_says_no_number_telephone_or_postcode():
    for place in range(50):
        clerk = Clerk(alice(), Habits(thin=True), Draw("thin", place), date(2024, 1, 1).toordinal())
        clerk.meet(date(2024, 6, 1).toordinal())
        held = clerk.held
        assert (held.number.value, held.phone, held.mobile, held.email, held.home.postcode) == ("", "", "", "", "")


def test_what_changed_is_heard_at_the_next_contact_only():
    moved = date(2024, 3, 1).toordinal()
    person = alice(homes=[(1, HOME), (moved, Home("9 High Street", "Hove", "East Sussex", "BN3 1AB"))])
    clerk = Clerk(person, Habits(careful=True), Draw("m"), moved - 10)
    assert clerk.held.home == HOME
    assert clerk.meet(moved + 10).home.town == "Hove"


def test_slips_are_set_right_in_time():
    person = alice()
    for place in range(400):
        clerk = Clerk(person, Habits(), Draw("slip", place), 738_000)
        if clerk.slipped():
            break
    assert clerk.slipped()
    for day in range(738_001, 738_200):
        clerk.meet(day)
    assert clerk.slipped() == ()


def test_a_careless_record_has_more_slips():
    def slips(habits):
        return sum(len(Clerk(alice(), habits, Draw("careless", place), 738_000).slipped()) for place in range(300))

    assert slips(Habits(careless=True)) > 3 * slips(Habits())


def test_a_placeholder_is_not_mistyped():
    draw = Draw("placeholder")
    assert all(take_home(draw, Habits(), NO_ABODE) == NO_ABODE for _ in range(300))
    assert all(take_birth(draw, Habits(), Birth("1950", "ED")) == Birth("1950", "ED") for _ in range(300))


def test_every_way_a_birth_date_goes_wrong_occurs():
    draw = Draw("births")
    found = {take_birth(draw, Habits(), Birth("19840305")) for _ in range(5000)}
    assert {Birth("19840503"), Birth("19840101", "UD"), Birth("19840101"), Birth("1984", "ED")} <= found


def test_a_borrowed_number_is_taken_down_as_it_stands():
    borrowed = NhsNumber("9990000026", "02")
    assert take_number(Draw("b"), Habits(borrowed=borrowed), NhsNumber("9990000018", "01")) == borrowed


def test_a_former_number_is_held_until_the_new_one_is_given():
    person = alice(former_number="9990000026", numbered=738_000)
    assert person.nhs_number_on(737_999) == "9990000026"
    assert person.nhs_number_on(738_000) == "9990000018"


def test_the_newer_systems_remember_a_maiden_name():
    person = alice()
    person.names.append((738_900, Name("Holland", "Alice", "Rose", "Mrs")))
    known = record(person, Contact(738_890 * 86_400, "load"), Contact(738_950 * 86_400, "clerical"))
    bodies = [happening.body for happening in Life(known, Draw("n")).happenings()]
    assert b"Marchant^Alice^Rose^^Ms^^L" in bodies[0]
    assert b"Holland^Alice^Rose^^Mrs^^L~Marchant^Alice^Rose^^Ms^^M" in bodies[1]


def test_a_merge_is_walked_after_the_record_it_names():
    other = record(alice())
    with pytest.raises(ValueError, match="after the record"):
        list(Life(record(alice(), Contact(738_950 * 86_400, "merge", other)), Draw("m")).happenings())

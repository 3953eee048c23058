"""The pinned regression set (matching.md 5, Collapse)."""

from dataclasses import replace

from matching.model import default_model
from matching.regression import hard_set, regression_set
from matching.scoring import Scorer
from matching.training import link_refusals, regression_f1, wrong_links


def test_it_has_enough_pairs_that_a_few_do_not_move_it():
    judged = regression_set()
    assert len(judged) == 2_500
    assert sum(one.same for one in judged) == 1_500


def test_the_shipped_model_is_good_on_it_and_makes_no_wrong_link():
    scorer = Scorer(default_model())
    assert regression_f1(default_model(), regression_set()) > 0.997
    assert not [one for one in regression_set() if not one.same and scorer.score(one.a, one.b).grade == "certain"]


def test_nobody_of_the_hard_pairs_is_linked_by_the_shipped_model():
    assert len(hard_set()) >= 90
    assert wrong_links(default_model(), hard_set()) == 0
    assert link_refusals(default_model(), hard_set()) == []


def test_a_model_that_links_two_people_is_refused():
    eager = replace(default_model(), lambda_match=default_model().lambda_match * 16)
    assert regression_f1(eager, regression_set()) > regression_f1(default_model(), regression_set()), "which F1 alone takes for better"
    assert link_refusals(eager, hard_set()) == ["5 pairs of two people in the regression sets would be linked"]

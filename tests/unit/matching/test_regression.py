"""The pinned regression set (matching.md 5, Collapse)."""

from matching.model import default_model
from matching.regression import regression_set
from matching.scoring import Scorer
from matching.training import regression_f1


def test_it_has_enough_pairs_that_a_few_do_not_move_it():
    judged = regression_set()
    assert len(judged) == 2_500
    assert sum(one.same for one in judged) == 1_500


def test_the_shipped_model_is_good_on_it_and_makes_no_wrong_link():
    scorer = Scorer(default_model())
    assert regression_f1(default_model(), regression_set()) > 0.997
    assert not [one for one in regression_set() if not one.same and scorer.score(one.a, one.b).grade == "certain"]

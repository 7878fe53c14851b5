from diff_harmonization.description.statistics.norms import load_norms
from diff_harmonization.description.vocabulary import OBJECTS


def test_norms_have_the_shapes_they_state():
    norms = load_norms()
    assert {value.shape for value in norms.usual.values()} == {(5,)}
    assert norms.scale.shape == (5,)
    assert (norms.scale > 0).all()
    assert norms.scene_weights.shape == (*norms.scene_mean.shape, 5) == (25, 5)


def test_norms_are_of_known_kinds():
    assert set(load_norms().usual) <= set(OBJECTS)

"""Predictor: from photos to points on the photos."""

from __future__ import annotations

import numpy as np
import pytest
from squares import draw_skirt, find_squares

from hemline.errors import DataError
from hemline.infer.predictor import Predictor

SKIRT = [15, 16, 17, 18]
SIZES = [(300, 400), (640, 360), (64, 64), (500, 500)]


@pytest.mark.parametrize("flip", [False, True])
def test_points_come_back_to_photos_of_mixed_sizes(schema, flip):
    drawn = [draw_skirt(size_wh) for size_wh in SIZES]
    predictor = Predictor(find_squares, schema, flip=flip, batch_size=3)
    predictions = predictor.predict([photo for photo, _ in drawn], ["skirt"] * 4)
    for prediction, (_, centres), (width, height) in zip(predictions, drawn, SIZES, strict=True):
        # A tenth of a crop pixel, in pixels of the photo.
        assert prediction.keypoints[SKIRT] == pytest.approx(centres, abs=0.1 * max(width, height) / 64)
        assert prediction.scores[SKIRT] == pytest.approx(np.ones(4), abs=0.1)


def test_other_points_than_the_categorys_are_nan(predictor):
    [prediction] = predictor.predict([draw_skirt((90, 120))[0]], ["skirt"])
    outside = np.setdiff1d(np.arange(24), SKIRT)
    assert np.isnan(prediction.keypoints[outside]).all()
    assert np.isnan(prediction.scores[outside]).all()
    assert (prediction.points[outside] == -1).all()
    assert (prediction.points[SKIRT, 2] == 1).all()


def test_ids_are_given_back_or_are_positions(predictor):
    photo, _ = draw_skirt((90, 120))
    assert [p.image_id for p in predictor.predict([photo] * 4, ["skirt"] * 4, image_ids=list("abcd"))] == list("abcd")
    assert [p.image_id for p in predictor.predict([photo] * 4, ["skirt"] * 4)] == ["0", "1", "2", "3"]
    assert predictor.predict([], []) == []


def test_no_more_than_a_batch_at_a_time(schema):
    sizes = []

    def run(crops):
        sizes.append(crops.shape)
        return find_squares(crops)

    Predictor(run, schema, flip=True, batch_size=3).predict([draw_skirt((64, 64))[0]] * 4, ["skirt"] * 4)
    assert sizes == [(3, 3, 64, 64), (3, 3, 64, 64), (1, 3, 64, 64), (1, 3, 64, 64)]


def test_the_mirrored_crop_is_averaged_in(schema):
    """A network blind in the right half of its input: the mirrored crop shows it the other half, sides swapped."""

    def run(crops):
        logits = find_squares(crops)["heatmaps"]
        peak_columns = logits.reshape(len(crops), 4, -1).argmax(2) % 16
        logits[peak_columns >= 8] = 0
        return {"heatmaps": logits}

    photo, centres = draw_skirt((64, 64))
    [one_sided] = Predictor(run, schema, flip=False).predict([photo], ["skirt"])
    [both_sides] = Predictor(run, schema, flip=True).predict([photo], ["skirt"])
    assert (one_sided.scores[[15, 17]] > 0.9).all()
    assert (one_sided.scores[[16, 18]] == 0).all()
    assert (both_sides.scores[SKIRT] > 0.4).all()
    assert both_sides.keypoints[SKIRT] == pytest.approx(centres, abs=1.0)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_map_that_says_nothing_gives_the_mean_layout(schema, value):
    def run(crops):
        return {"heatmaps": np.full((len(crops), 4, 16, 16), value, np.float32)}

    with np.errstate(invalid="ignore"):
        [prediction] = Predictor(run, schema).predict([np.zeros((200, 100, 3), np.uint8)], ["skirt"])
    assert prediction.keypoints[SKIRT] == pytest.approx(np.array([[40, 20], [60, 20], [30, 180], [70, 180]]))
    assert prediction.scores[SKIRT] == pytest.approx(np.zeros(4))


def test_points_stay_on_the_photo(schema):
    """A wide photo leaves bands above and below it in the crop; a peak there is moved to the photo's edge."""

    def run(crops):
        logits = np.full((len(crops), 4, 16, 16), -40.0, np.float32)
        logits[:, :, 1, 1] = 0
        return {"heatmaps": logits}

    [prediction] = Predictor(run, schema).predict([np.zeros((64, 256, 3), np.uint8)], ["skirt"])
    # The crop's 64 pixels span 256 photo pixels: cell 1 is at 6 crop pixels, 24 photo pixels; above is 0.
    assert prediction.keypoints[SKIRT] == pytest.approx(np.tile([24.0, 0.0], (4, 1)), abs=1e-6)


def test_guess_is_the_mean_layout(predictor):
    guess = predictor.guess("a.jpg", "skirt", (200, 50))
    assert guess.keypoints[SKIRT] == pytest.approx(np.array([[80, 5], [120, 5], [60, 45], [140, 45]]))
    assert (guess.scores[SKIRT] == 0).all()
    assert np.isnan(np.delete(guess.keypoints, SKIRT, 0)).all()


def test_a_category_that_was_not_trained_is_an_error(predictor):
    photo, _ = draw_skirt((64, 64))
    with pytest.raises(DataError, match="trained for skirt, not for 'dress'"):
        predictor.predict([photo], ["dress"])
    with pytest.raises(DataError, match="trained for skirt"):
        predictor.guess("a", "dress", (1, 1))

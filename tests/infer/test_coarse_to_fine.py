"""The second pass: its box, what it improves, what it keeps."""

from __future__ import annotations

import numpy as np
import pytest
from squares import GREEN, RED, draw_skirt, find_squares

from hemline.annotation import Prediction
from hemline.infer.build import build_predictor
from hemline.infer.coarse_to_fine import CoarseToFine, garment_box
from hemline.infer.finder import Finder

SKIRT = [15, 16, 17, 18]
CENTRES = np.array([[160.0, 160], [320, 160], [160, 320], [320, 320]])
RIGHT = np.array([1.0, 0])


def draw_small_skirt() -> np.ndarray:
    """Draw squares of 16 pixels on a photo of 512: 2 pixels of the crop."""
    photo = np.full((512, 512, 3), 128, np.uint8)
    for (x, y), color in zip(CENTRES.astype(int), (RED, RED, GREEN, GREEN), strict=True):
        photo[y - 8 : y + 8, x - 8 : x + 8] = color
    return photo


def err_to_the_right(crops):
    """Find squares a cell, 4 crop pixels, too far to the right."""
    logits = find_squares(crops)["heatmaps"]
    logits[..., 1:] = logits[..., :-1].copy()
    return {"heatmaps": logits}


def test_a_second_look_shrinks_the_error(schema):
    """4 crop pixels are 32 of the photo at first.

    The box of the points so found is (192..352, 160..320); with a margin of 80 pixels about it 320 wide, so that
    4 crop pixels are 20 of the photo.
    """
    photo = draw_small_skirt()
    [coarse] = build_predictor(err_to_the_right, schema).predict([photo], ["skirt"])
    assert coarse.keypoints[SKIRT] == pytest.approx(CENTRES + 32 * RIGHT, abs=1)
    [fine] = build_predictor(err_to_the_right, schema, second_pass=True, margin=0.5).predict([photo], ["skirt"])
    assert fine.keypoints[SKIRT] == pytest.approx(CENTRES + 20 * RIGHT, abs=0.5)
    # Twice the margin: 480 pixels of the photo, 30 of error.
    [loose] = build_predictor(err_to_the_right, schema, second_pass=True, margin=1.0).predict([photo], ["skirt"])
    assert loose.keypoints[SKIRT] == pytest.approx(CENTRES + 30 * RIGHT, abs=0.5)


def test_the_second_look_may_be_another_networks(schema):
    finder = build_predictor(err_to_the_right, schema, refiner=(find_squares, schema))
    [prediction] = finder.predict([draw_small_skirt()], ["skirt"])
    assert prediction.keypoints[SKIRT] == pytest.approx(CENTRES, abs=0.5)
    assert finder.subject == "these networks were all"


def test_what_the_second_look_does_not_see_stays(schema):
    def see_waistbands(crops):
        logits = find_squares(crops)["heatmaps"]
        logits[:, 2:] = 0
        return {"heatmaps": logits}

    finder = build_predictor(err_to_the_right, schema, refiner=(see_waistbands, schema))
    [prediction] = finder.predict([draw_small_skirt()], ["skirt"])
    assert prediction.keypoints[SKIRT] == pytest.approx(CENTRES + np.outer([0, 0, 32, 32], RIGHT), abs=1)
    assert (prediction.scores[SKIRT] > 0.5).all()
    assert np.isnan(np.delete(prediction.keypoints, SKIRT, 0)).all()


def test_without_any_point_it_is_the_mean_layout(schema):
    finder = build_predictor(find_squares, schema, second_pass=True)
    [prediction] = finder.predict([np.full((200, 100, 3), 128, np.uint8)], ["skirt"])
    assert prediction.keypoints[SKIRT] == pytest.approx(np.array([[40, 20], [60, 20], [30, 180], [70, 180]]))
    assert (prediction.scores[SKIRT] == 0).all()


class Corner(Finder):
    """Answers with the lower right corner of its box, and then of its photo."""

    categories, size, batch_size = ("skirt",), 64, 3

    def prepare(self, photo, box=None):
        height, width = photo.shape[:2]
        return np.array([(box or (0, 0, width, height))[2:], (width, height)])

    def predict_prepared(self, prepared, categories, *, image_ids):
        answers = [self.guess(image_id, "skirt", (1, 1)) for image_id in image_ids]
        for answer, corners in zip(answers, prepared, strict=True):
            answer.keypoints[15:17], answer.scores[15:17] = corners, 1
        return answers

    def guess(self, image_id, category, size_wh):
        return Prediction(image_id, category, np.full((24, 2), np.nan), np.full(24, np.nan))


def test_a_large_photo_is_kept_small_and_the_points_come_back():
    """At most 4 times the 64 pixels of the input; 96 of 1000 pixels become 25, not 24.6, of 256."""
    finder = CoarseToFine(Corner(), Corner(), margin=0.0)
    photo = np.zeros((96, 1000, 3), np.uint8)
    assert finder.prepare(photo).photo.pixels.shape == (25, 256, 3)
    [prediction] = finder.predict([photo], ["skirt"])
    # The first answer is the corner of the photo, twice; its box is 1000 / 16 wide and high and cut at the corner.
    assert prediction.keypoints[15:17] == pytest.approx(np.array([[1000, 96], [1000, 96]]))
    small = np.zeros((256, 100, 3), np.uint8)
    assert finder.prepare(small).photo.pixels is small


def test_a_large_photo_loses_no_accuracy(schema):
    photo, centres = draw_skirt((1535, 1023))
    [prediction] = build_predictor(find_squares, schema, second_pass=True).predict([photo], ["skirt"])
    assert prediction.keypoints[SKIRT] == pytest.approx(centres, abs=0.1 * 1535 / 64)


def test_views_are_of_the_box_in_the_second_pass(schema):
    """At zoom 0.5 of a box of 240 pixels the photo is seen 480 pixels wide."""
    widths = []

    def run(crops):
        for crop in crops.astype(int):
            across = np.flatnonzero((crop[0] > crop[1] + 10).any(0))  # columns with red
            widths.append(np.ptp(across) / 176)  # the outer edges of the squares are 176 pixels apart
        return find_squares(crops)

    options = {"second_pass": True, "margin": 0.25, "views": [[0.5, 0.5, 1.0], [0.5, 0.5, 0.5]]}
    build_predictor(run, schema, **options).predict([draw_small_skirt()], ["skirt"])
    assert np.array(widths) == pytest.approx([64 / 512, 64 / 1024, 64 / 240, 64 / 480], rel=0.1)


@pytest.mark.parametrize(
    ("points", "margin", "expected"),
    [
        ([[100, 50], [140, 130]], 0.25, (80, 30, 160, 150)),  # 40 x 80; 20 pixels on each side
        ([[100, 50], [140, 130]], 0.0, (100, 50, 140, 130)),
        ([[10, 5], [140, 185]], 0.5, (0, 0, 230, 200)),  # cut at the photo
        ([[100, 50]], 0.0, (87.5, 37.5, 112.5, 62.5)),  # a sixteenth of 400 pixels
        ([[0, 200]], 0.0, (0, 187.5, 12.5, 200)),
    ],
)
def test_box_of_a_garment(points, margin, expected):
    keypoints = np.full((24, 2), np.nan)
    keypoints[15 : 15 + len(points)] = points
    assert garment_box(keypoints, (400, 200), margin=margin) == pytest.approx(expected)

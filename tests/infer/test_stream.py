"""predict_stream: order, unreadable photos, and bounded memory."""

from __future__ import annotations

import tracemalloc
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from squares import draw_skirt, find_squares

from hemline.annotation import AnnotationTable
from hemline.errors import DataError, ImageError
from hemline.images import read_image, write_image
from hemline.infer.build import build_predictor
from hemline.infer.finder import Finder
from hemline.infer.predictor import Predictor
from hemline.infer.stream import Source, predict_stream, predict_table

SKIRT = [15, 16, 17, 18]
SIZES = [(300, 400), (640, 360), (64, 64), (500, 500), (200, 90), (128, 128), (77, 120)]


@pytest.fixture
def photos(tmp_path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(len(SIZES))]
    for path, size_wh in zip(paths, SIZES, strict=True):
        write_image(path, draw_skirt(size_wh)[0])
    return paths


def sources_of(paths: list[Path]) -> list[Source]:
    return [Source(path.name, "skirt", path) for path in paths]


def test_answers_come_in_order_and_agree_with_predict(predictor, photos):
    outcomes = list(predict_stream(predictor, sources_of(photos)))
    assert [outcome.prediction.image_id for outcome in outcomes] == [path.name for path in photos]
    assert [outcome.source.path for outcome in outcomes] == photos
    for outcome, size_wh in zip(outcomes, SIZES, strict=True):
        assert outcome.error is None
        centres = draw_skirt(size_wh)[1]
        assert outcome.prediction.keypoints[SKIRT] == pytest.approx(centres, abs=0.1 * max(size_wh) / 64)


def test_an_unreadable_photo_is_guessed_and_the_others_go_on(predictor, photos, tmp_path):
    cut = tmp_path / "cut.png"  # the header is whole, the pixels are not
    cut.write_bytes(photos[4].read_bytes()[:200])
    text = tmp_path / "text.jpg"
    text.write_text("no photo")
    paths = [*photos[:2], cut, text, tmp_path / "gone.jpg", photos[2]]
    outcomes = list(predict_stream(predictor, sources_of(paths)))
    assert [outcome.error is None for outcome in outcomes] == [True, True, False, False, False, True]
    assert outcomes[5].prediction.keypoints[SKIRT] == pytest.approx(draw_skirt(SIZES[2])[1], abs=0.2)
    # The mean layout on 200 x 90 pixels, as the header says, and on 512 x 512.
    assert outcomes[2].prediction.keypoints[SKIRT] == pytest.approx(
        np.array([[80, 9], [120, 9], [60, 81], [140, 81]]), abs=1e-6
    )
    for outcome in outcomes[3:5]:
        assert outcome.prediction.keypoints[15] == pytest.approx([204.8, 51.2])
        assert (outcome.prediction.scores[SKIRT] == 0).all()
    assert "cut.png" in str(outcomes[2].error)
    assert "200 x 90 pixels (the size in its header)" in str(outcomes[2].error)
    assert "text.jpg: not a photo" in str(outcomes[3].error)
    assert "512 x 512 pixels (assumed)" in str(outcomes[3].error)
    assert "gone.jpg: No such file" in str(outcomes[4].error)


def test_a_batch_of_unreadable_photos_does_not_call_the_network(schema, tmp_path):
    def run(crops):
        raise AssertionError

    predictor = Predictor(run, schema, batch_size=2)
    outcomes = list(predict_stream(predictor, sources_of([tmp_path / f"{number}.jpg" for number in range(5)])))
    assert len(outcomes) == 5
    assert all(outcome.error for outcome in outcomes)


def test_nothing_in_nothing_out(predictor):
    assert list(predict_stream(predictor, [])) == []


def test_an_unknown_category_is_an_error(predictor, photos):
    with pytest.raises(DataError, match="trained for skirt"):
        list(predict_stream(predictor, [Source("a", "trousers", photos[0])]))


def test_reads_only_a_little_ahead_and_can_be_left(predictor, photos):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield Source("a", "skirt", photos[2])

    stream = predict_stream(predictor, endless(), workers=2)
    assert len(list(islice(stream, 20))) == 20
    stream.close()
    # Seven batches of 3 were begun; at most two more and a photo per worker were read ahead.
    assert len(taken) <= 7 * 3 + 2 * 3 + 2


def peak_memory(predictor: Finder, path: Path, count: int) -> int:
    """Measure the highest use of memory, bytes, while `count` photos are predicted."""
    sources = (Source(f"{number}.png", "skirt", path) for number in range(count))
    tracemalloc.start()
    try:
        for outcome in predict_stream(predictor, sources):
            assert outcome.error is None
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def check_memory(schema, tmp_path, *, few: int, many: int, **options) -> None:
    def run(crops):
        return {"heatmaps": np.zeros((len(crops), 4, 16, 16), np.float32)}

    path = tmp_path / "tiny.png"
    write_image(path, np.zeros((8, 8, 3), np.uint8))
    predictor = build_predictor(run, schema, batch_size=16, **options)
    peak_memory(predictor, path, 50)  # imports and caches
    assert peak_memory(predictor, path, many) < 1.1 * peak_memory(predictor, path, few) + 200_000


def test_many_photos_use_no_more_memory_than_few(schema, tmp_path):
    check_memory(schema, tmp_path, few=200, many=3_000)


def test_many_photos_use_no_more_memory_than_few_with_views_and_a_second_pass(schema, tmp_path):
    options = {"views": [(0.5, 0.5, 1.0), (0.4, 0.4, 2.0)], "second_pass": True, "repair": 0.1}
    check_memory(schema, tmp_path, few=100, many=500, **options)


def test_a_photo_is_not_kept_whole(schema, tmp_path):
    """Photos of 3 MB; what is kept of each, two views of 64 x 64 and one photo of 256 x 256, is 0.22 MB."""
    path = tmp_path / "large.png"
    write_image(path, np.zeros((1000, 1000, 3), np.uint8))
    finder = build_predictor(find_squares, schema, views=[(0.5, 0.5, 1.0), (0.4, 0.4, 2.0)], second_pass=True)
    tracemalloc.start()
    prepared = [finder.prepare(read_image(path)) for _ in range(10)]
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(prepared) == 10
    assert kept < 10 * (2 * 64 * 64 + 256 * 256) * 3 + 100_000


def test_options_work_on_streams(schema, photos):
    finder = build_predictor(find_squares, schema, batch_size=3, flip=True, second_pass=True, repair=0.1)
    for outcome, size_wh in zip(predict_stream(finder, sources_of(photos)), SIZES, strict=True):
        centres = draw_skirt(size_wh)[1]
        assert outcome.prediction.keypoints[SKIRT] == pytest.approx(centres, abs=0.2 * max(size_wh) / 64)


@pytest.mark.slow
def test_50_000_photos_use_no_more_memory_than_500(schema, tmp_path):
    check_memory(schema, tmp_path, few=500, many=50_000)


def test_a_table_is_predicted_row_by_row(predictor, photos):
    points = np.full((len(photos), 24, 3), -1.0)
    table = AnnotationTable(tuple(p.name for p in photos), ("skirt",) * len(photos), points, tuple(photos))
    predicted = predict_table(predictor, table)
    assert predicted.image_ids == table.image_ids
    assert predicted.points[0, 15, :2] == pytest.approx(draw_skirt(SIZES[0])[1][0], abs=1)
    assert (predicted.points[:, SKIRT, 2] == 1).all()
    assert (np.delete(predicted.points, SKIRT, 1) == -1).all()


def test_an_unreadable_photo_of_a_table_is_an_error(predictor, tmp_path):
    table = AnnotationTable(("a",), ("skirt",), np.full((1, 24, 3), -1.0), (tmp_path / "gone.jpg",))
    with pytest.raises(ImageError, match=r"gone\.jpg"):
        predict_table(predictor, table)

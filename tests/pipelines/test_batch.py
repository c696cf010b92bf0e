"""Names of results, what counts as an input, and going on after a bad file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from styleapp.data.pictures import read_picture
from styleapp.pipelines import images
from styleapp.pipelines.batch import Job, find_inputs, plan_batch, results_folder, run_batch
from styleapp.pipelines.stylize import Stage


def paths(*names: str) -> list[Path]:
    return [Path(name) for name in names]


def names(jobs: list[Job]) -> list[str]:
    return [job.output.name for job in jobs]


def picture(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 16), colour).save(path)
    return path


class Inverting:
    """Stands in for a pipeline: reads both pictures, and gives back the photo inverted."""

    def stages(self, photo: Path, styles: tuple[Path, ...], **controls: Any) -> Iterator[Stage]:
        if controls.get("strength", 1) > 1.5:
            raise ValueError("strength is too large")
        yield Stage("reading", 0.25)
        image = read_picture(photo).rgb
        for style in styles:
            read_picture(style)
        yield Stage("done", 1.0, image.point(lambda value: 255 - value))


class TestNames:
    @pytest.mark.parametrize(
        ("photos", "styles", "expected"),
        [
            (("a.jpg", "b.png"), ("s.jpg",), ["a--s.png", "b--s.png"]),
            (("a.jpg",), ("s.jpg", "t.jpg"), ["a--s.png", "a--t.png"]),
            (("one/a.jpg", "two/a.jpg", "two/a.png"), ("s.jpg",), ["a--s.png", "a-2--s.png", "a-3--s.png"]),
            (("a.jpg",), ("x/s.jpg", "y/s.jpg"), ["a--s.png", "a--s-2.png"]),
            (("x/a.jpg", "y/a.jpg", "a-2.jpg"), ("s.jpg",), ["a--s.png", "a-3--s.png", "a-2--s.png"]),
            (("a--b.jpg", "a.jpg"), ("c.jpg", "b--c.jpg"), ["a--b--c.png", "a--c.png", "a--b--b--c.png",
                                                            "a--b--c-2.png"]),
            (("a.tar.jpg",), ("s.v1.jpg",), ["a.tar--s.v1.png"]),
            (("Ä.jpg", "x/A\u0308.jpg"), ("s.jpg",), ["Ä--s.png", "A\u0308-2--s.png"]),
            (("A.jpg", "x/a.jpg"), ("s.jpg",), ["A--s.png", "a-2--s.png"]),
        ],
    )  # fmt: skip
    def test_every_result_has_its_own(
        self, photos: tuple[str, ...], styles: tuple[str, ...], expected: list[str]
    ) -> None:
        jobs = plan_batch(paths(*photos), paths(*styles), "out")
        assert names(jobs) == expected
        assert len({name.casefold() for name in names(jobs)}) == len(photos) * len(styles)
        assert {(job.photo, job.styles) for job in jobs} == {(p, (s,)) for p in paths(*photos) for s in paths(*styles)}

    def test_do_not_depend_on_earlier_results(self, tmp_path: Path) -> None:
        inputs = picture(tmp_path / "a.jpg"), picture(tmp_path / "s.jpg")
        first = plan_batch([inputs[0]], [inputs[1]], tmp_path)
        picture(first[0].output)
        assert plan_batch([inputs[0]], [inputs[1]], tmp_path) == first

    def test_never_an_input(self, tmp_path: Path) -> None:
        photos = [picture(tmp_path / name) for name in ("a.jpg", "a--s.png", "a--s-2.png")]
        jobs = plan_batch(photos, paths("s.jpg"), tmp_path)
        assert not {job.output for job in jobs} & set(photos)
        assert names(jobs)[0] == "a--s-3.png"

    def test_never_a_mask_nor_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "a--s-2.png").mkdir()
        jobs = plan_batch(paths("a.jpg"), paths("s.jpg"), tmp_path, protected=[tmp_path / "a--s.png"])
        assert names(jobs) == ["a--s-3.png"]

    def test_an_input_is_known_through_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
        with pytest.raises(ValueError, match="one of the inputs"):
            plan_batch([tmp_path / "a.png"], paths("s.jpg"), tmp_path / "link" / "a.png")

    def test_mixtures_name_all_their_styles(self) -> None:
        jobs = plan_batch(paths("a.jpg", "b.jpg"), paths("s.jpg", "t.jpg", "s.jpg"), "out", mix=True)
        assert names(jobs) == ["a--s+t+s.png", "b--s+t+s.png"]
        assert all(job.styles == tuple(paths("s.jpg", "t.jpg", "s.jpg")) for job in jobs)

    def test_names_of_styles_keep_their_dots(self) -> None:
        photos, styles = paths("a.jpg"), paths("v1.5", "v1.6", "Mr. X")
        jobs = plan_batch(photos, styles, "out", named=True)
        assert names(jobs) == ["a--v1.5.png", "a--v1.6.png", "a--Mr. X.png"]
        assert names(plan_batch(photos, styles, "out", named=True, mix=True)) == ["a--v1.5+v1.6+Mr. X.png"]

    def test_long_ones_can_be_written(self, tmp_path: Path) -> None:
        long = ["ä" * 100 + end for end in ("x.jpg", "y.jpg")]
        jobs = plan_batch(paths(*long), paths("s" * 240 + ".jpg"), tmp_path)
        for job in jobs:
            images.save_image(Image.new("RGB", (16, 16)), job.output)
        assert len(list(tmp_path.iterdir())) == 2

    @pytest.mark.parametrize(("photos", "styles"), [((), ("s.jpg",)), (("a.jpg",), ())])
    def test_something_must_be_given(self, photos: tuple[str, ...], styles: tuple[str, ...]) -> None:
        with pytest.raises(ValueError, match="there is no"):
            plan_batch(paths(*photos), paths(*styles), "out")


class TestOutput:
    @pytest.mark.parametrize(
        ("output", "is_folder"),
        [("out", True), ("out/", True), ("out.v2/", True), ("out.png", False), ("a/b.JPG", False), ("out.v2", False)],
    )
    def test_suffix_tells_files_from_folders(self, output: str, is_folder: bool) -> None:
        assert results_folder(output) == (Path(output) if is_folder else None)

    def test_a_folder_that_exists_is_one(self, tmp_path: Path) -> None:
        (tmp_path / "out.png").mkdir()
        assert results_folder(tmp_path / "out.png") == tmp_path / "out.png"

    def test_one_file_for_one_result(self) -> None:
        assert names(plan_batch(paths("a.jpg"), paths("s.jpg"), "sub/x.webp")) == ["x.webp"]
        with pytest.raises(ValueError, match=r"x\.webp is one file, but there are 2 results"):
            plan_batch(paths("a.jpg", "b.jpg"), paths("s.jpg"), "sub/x.webp")

    @pytest.mark.parametrize("output", ["x.gif", "x.txt"])
    def test_only_suffixes_that_can_be_written(self, output: str) -> None:
        with pytest.raises(ValueError, match=r"cannot be written: a file ends with \.png"):
            plan_batch(paths("a.jpg"), paths("s.jpg"), output)


class TestInputs:
    def test_folders_are_searched_and_files_taken_once(self, tmp_path: Path) -> None:
        late, early = picture(tmp_path / "sub" / "z.PNG"), picture(tmp_path / "b.jpg")
        (tmp_path / "notes.txt").write_text("no picture")
        found = find_inputs([late, tmp_path, "missing.jpg"])
        assert found.paths == (late, early, Path("missing.jpg"))
        assert find_inputs([early, early], repeats=True).paths == (early, early)

    def test_an_empty_folder_is_a_problem_and_no_end(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        found = find_inputs([tmp_path / "empty", "a.jpg"])
        assert found.paths == (Path("a.jpg"),)
        assert "holds no picture" in found.problems[0]

    def test_results_do_not_become_inputs(self, tmp_path: Path) -> None:
        photo, result = picture(tmp_path / "a.jpg"), picture(tmp_path / "out" / "a--s.png")
        found = find_inputs([tmp_path], tmp_path / "out")
        assert found.paths == (photo,)
        assert found.skipped == 1
        assert find_inputs([result], tmp_path / "out").paths == (result,)  # named itself, it is meant

    def test_a_folder_below_the_results_is_an_input(self, tmp_path: Path) -> None:
        photo = picture(tmp_path / "holiday" / "a.png")
        found = find_inputs([tmp_path / "holiday"], tmp_path)
        assert (found.paths, found.skipped) == ((photo,), 0)

    def test_results_do_not_go_between_the_inputs(self, tmp_path: Path) -> None:
        picture(tmp_path / "a.jpg")
        with pytest.raises(ValueError, match="read from and written to"):
            find_inputs([tmp_path], tmp_path)


class TestRun:
    def test_writes_what_the_pipeline_gives(self, tmp_path: Path) -> None:
        photo, style = picture(tmp_path / "a.png", "#102030"), picture(tmp_path / "s.png")
        shares: list[float] = []
        jobs = plan_batch([photo], [style], tmp_path / "new" / "folder")
        (outcome,) = run_batch(Inverting(), jobs, shares.append)  # type: ignore[arg-type]
        assert outcome.size == (20, 16)
        assert outcome.problem is None
        assert outcome.seconds > 0
        assert sum(shares) == pytest.approx(1)
        with Image.open(jobs[0].output) as result:
            assert result.getpixel((3, 3)) == (0xEF, 0xDF, 0xCF)

    def test_goes_on_after_bad_files(self, tmp_path: Path) -> None:
        good, style = picture(tmp_path / "good.png"), picture(tmp_path / "s.png")
        bad = tmp_path / "bad.png"
        bad.write_bytes(b"\x89PNG nothing")
        shares: list[float] = []
        jobs = plan_batch([bad, tmp_path / "missing.png", good], [style], tmp_path / "out")
        outcomes = list(run_batch(Inverting(), jobs, shares.append))  # type: ignore[arg-type]
        assert [outcome.size is None for outcome in outcomes] == [True, True, False]
        assert "bad.png" in str(outcomes[0].problem)
        assert "missing.png does not exist" in str(outcomes[1].problem)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["good--s.png"]
        assert sum(shares) == pytest.approx(3)

    def test_a_control_out_of_range_ends_it(self, tmp_path: Path) -> None:
        jobs = plan_batch([picture(tmp_path / "a.png")], [picture(tmp_path / "s.png")], tmp_path / "out")
        with pytest.raises(ValueError, match="too large"):
            list(run_batch(Inverting(), jobs, strength=2.0))  # type: ignore[arg-type]
        assert not (tmp_path / "out").exists()

    def test_a_full_disk_ends_it_and_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(image: Image.Image, file: Any, **options: Any) -> None:
            file.write(b"half")
            raise OSError(28, "No space left on device")

        photos = [picture(tmp_path / "a.png"), picture(tmp_path / "b.png")]
        jobs = plan_batch(photos, [picture(tmp_path / "s.png")], tmp_path / "out")
        monkeypatch.setattr(Image.Image, "save", full)
        outcomes = list(run_batch(Inverting(), jobs))  # type: ignore[arg-type]
        assert [outcome.problem for outcome in outcomes] == [
            f"{jobs[0].output} cannot be written: No space left on device"
        ]
        assert list((tmp_path / "out").iterdir()) == []

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("not a folder")
        jobs = plan_batch([picture(tmp_path / "a.png")], [picture(tmp_path / "s.png")], tmp_path / "file" / "out")
        (outcome,) = run_batch(Inverting(), jobs)  # type: ignore[arg-type]
        assert str(outcome.problem).startswith(f"the folder {tmp_path / 'file' / 'out'} cannot be made")

    def test_too_little_memory_is_one_photo_s_problem(self, tmp_path: Path) -> None:
        class Hungry(Inverting):
            def stages(self, photo: Path, styles: tuple[Path, ...], **controls: Any) -> Iterator[Stage]:
                if photo.stem == "huge":
                    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
                yield from super().stages(photo, styles, **controls)

        photos = [picture(tmp_path / "huge.png"), picture(tmp_path / "a.png")]
        jobs = plan_batch(photos, [picture(tmp_path / "s.png")], tmp_path / "out")
        outcomes = list(run_batch(Hungry(), jobs))  # type: ignore[arg-type]
        assert "huge.png needs more memory" in str(outcomes[0].problem)
        assert outcomes[1].size == (20, 16)

    def test_other_failures_are_not_hidden(self, tmp_path: Path) -> None:
        class Broken(Inverting):
            def stages(self, photo: Path, styles: tuple[Path, ...], **controls: Any) -> Iterator[Stage]:
                raise RuntimeError("shapes do not fit")

        jobs = plan_batch([picture(tmp_path / "a.png")], [picture(tmp_path / "s.png")], tmp_path / "out")
        with pytest.raises(RuntimeError, match="shapes"):
            list(run_batch(Broken(), jobs))  # type: ignore[arg-type]

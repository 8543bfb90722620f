"""Parameters of the themes, from frames to theme cards."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Parameters(BaseModel):
    """Parameters that nobody changes, and of which no other has been named by mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DescriptorParameters(_Parameters):
    """One group of frame dimensions with a vocabulary of its own."""

    feature: str = Field(default="mfcc", description="Feature that the dimensions are of.")
    dimensions: tuple[str, ...] = Field(
        min_length=1,
        description="Names of frame dimensions, or prefixes of names; what the feature lacks is left out.",
    )
    frame_step: int = Field(
        default=2, ge=1, description="Only every n-th frame is read; texture windows count the frames read."
    )
    n_words: int = Field(default=256, ge=2, le=65_536, description="Words of this descriptor's codebook.")
    texture_frames: int = Field(
        default=0, ge=0, description="Frames of a texture window (mean and deviation); 0 keeps single frames."
    )
    assignments: int = Field(
        default=5, ge=1, le=50, description="Every frame counts for its nearest a words."
    )


HARMONY = ("chroma_", "contrast_")
EXTRAS = ("centroid_hz", "rolloff_hz", "flatness", "zero_crossing_rate", "rms_db", "onset")


def _descriptors() -> dict[str, DescriptorParameters]:
    return {
        "timbre": DescriptorParameters(dimensions=("mfcc_",), n_words=256),
        "harmony": DescriptorParameters(dimensions=HARMONY, n_words=128),
        "texture": DescriptorParameters(
            dimensions=("mfcc_", *HARMONY, *EXTRAS), n_words=128, texture_frames=43
        ),
        "rhythm": _midterm("tempo_", "modulation_"),
        "tonality": _midterm("key_", "chroma_", "bass_", "treble_", "chord_", "interval_"),
        "notes": _midterm("notes_", "semitone_"),
        "lines": _midterm("line_"),
    }


def _midterm(*dimensions: str) -> DescriptorParameters:
    return DescriptorParameters(feature="midterm", dimensions=dimensions, n_words=128, frame_step=1)


class CodebookParameters(_Parameters):
    """How frames become audio words."""

    descriptors: dict[str, DescriptorParameters] = Field(
        default_factory=_descriptors,
        description="Split vocabularies, by name; those without a dimension in their feature are left out.",
    )
    sample_frames: int = Field(
        default=100_000, ge=100, description="Frames the codebook is learnt from, over all training clips."
    )
    seeding: Literal["kmeans++", "random++"] = Field(
        default="kmeans++",
        description="kmeans++ seeds Lloyd's iterations; random++ keeps the seeds as words, as openXBOW does.",
    )
    iterations: int = Field(default=15, ge=1, description="At most so many of Lloyd's iterations.")
    seed: int = Field(default=0, ge=0, description="Seed of the frame sample and of k-means.")


class BagParameters(_Parameters):
    """How counts become a bag of audio words for classifiers and clustering."""

    term_frequency: Literal["counts", "log", "sqrt"] = Field(
        default="sqrt", description="Counts as they are, log(1 + count), or their square root."
    )
    idf: bool = Field(default=False, description="Weight words by log(clips / clips with the word) + 1.")
    normalisation: Literal["none", "l1", "l2"] = Field(
        default="l2", description="Norm every clip's bag is divided by, each descriptor on its own."
    )


class TopicParameters(_Parameters):
    """LDA inside one emotion and the choice of its number of topics."""

    candidates: tuple[int, ...] = Field(
        default=(2, 3, 4, 5, 6, 7, 8), min_length=1, description="Numbers of topics to compare."
    )
    n_seeds: int = Field(default=3, ge=1, description="Fits a number of topics, for the bound and stability.")
    n_bootstrap: int = Field(
        default=3, ge=0, description="Fits on resampled groups a number of topics, for its stability."
    )
    held_out_fraction: float = Field(
        default=0.2, gt=0, lt=1, description="Share of an emotion's clips (by group) that scores the fits."
    )
    selection_clips: int = Field(
        default=10_000,
        ge=100,
        description="Numbers of topics are compared on at most so many clips of an emotion.",
    )
    min_clips_per_topic: int = Field(
        default=10, ge=1, description="Numbers of topics beyond clips / this are not tried."
    )
    min_stability: float = Field(
        default=0.6,
        ge=-1,
        le=1,
        description="Adjusted Rand index, over seeds and resampled groups, that a number of topics needs.",
    )
    coherence_words: int = Field(
        default=10, ge=2, description="Top words of a topic that its coherence reads."
    )
    document_length: float = Field(
        default=300.0,
        gt=0,
        description="Every clip weighs as much as so many independent words: neighbouring frames are not.",
    )
    document_weight: Literal["counts", "log", "sqrt"] = Field(
        default="sqrt", description="Damping of counts before they are scaled to the document length."
    )
    equal_descriptors: bool = Field(
        default=True,
        description="Every descriptor has the same share of a document, however many frames it has.",
    )
    passes: int = Field(default=30, ge=1, description="Passes of variational EM over the clips.")
    chunk_clips: int = Field(default=2048, ge=1, description="Clips of one step; more clips learn online.")
    alpha: Literal["symmetric", "auto"] = Field(
        default="symmetric", description="Prior of topics in a clip: 1 / topics, or learnt (asymmetric)."
    )
    eta: float = Field(default=0.1, gt=0, description="Prior of words in a topic.")
    least_similarity: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Themes of the training before that are at least this similar are the same ones.",
    )
    initialisation: Literal["kmeans", "random"] = Field(
        default="kmeans", description="Topics start from clusters of the bags, or from gensim's random ones."
    )


class CardParameters(_Parameters):
    """What a theme card shows."""

    exemplars: int = Field(default=5, ge=1, description="Clips shown of a theme.")
    words: int = Field(default=8, ge=1, description="Characteristic audio words shown of a theme.")
    tags: int = Field(default=5, ge=0, description="Over-represented tags shown of a theme, at most.")
    min_tag_clips: int = Field(default=3, ge=1, description="Clips of the theme a tag needs to be shown.")
    max_tag_p: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="Largest p of a tag, corrected for the number of tags.",
    )
    min_difference: float = Field(
        default=0.3, ge=0, description="Difference to the emotion, in deviations, that a name may mention."
    )
    neighbours: int = Field(default=3, ge=0, description="Nearest other themes shown of a theme.")
    highlight_s: float = Field(default=15.0, gt=0, description="Length of an exemplar's highlight, s.")
    players: int = Field(default=3, ge=0, description="Exemplars of a theme that the page lets one hear.")
    word_players: int = Field(
        default=3, ge=0, description="Characteristic words of a theme that the page lets one hear."
    )
    word_excerpts: int = Field(default=6, ge=1, description="Excerpts by which a word is heard.")
    name_terms: int = Field(default=3, ge=1, description="Terms of a theme's name, at most.")


class ThemeEvaluationParameters(_Parameters):
    """How themes are compared with labels that they never saw."""

    n_themes: int | None = Field(
        default=None,
        ge=1,
        description="Clusters an emotion of every discovery model; null: what the LDA selects.",
    )
    n_topics: int = Field(
        default=20, ge=1, description="Topics an emotion whose mixture the classifier reads."
    )
    topic_weight: float = Field(
        default=0.5, ge=0, description="Weight of the topic mixture beside the bag of each descriptor."
    )
    statistics: tuple[str, ...] = Field(
        default=("mfcc_", "delta_", "delta2_"),
        min_length=1,
        description="Dimensions, or prefixes, whose mean and deviation the baselines know.",
    )
    n_seeds: int = Field(default=3, ge=2, description="Fits of every discovery model, for its stability.")
    min_label_clips: int = Field(
        default=15, ge=2, description="Theme labels with fewer clips inside an emotion are left out."
    )
    costs: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(0.3, 1.0, 3.0, 10.0),
        min_length=1,
        description="Candidates of the SVMs' C, chosen by groups inside the training clips.",
    )
    gammas: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(0.3, 1.0, 3.0),
        min_length=1,
        description="Candidates of the SVMs' gamma, chosen with C; multiples of scikit-learn's `scale`: 1 / "
        "(numbers of a clip × their variance).",
    )
    neighbours: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(3, 7, 15), min_length=1, description="Candidates of k of k-NN, chosen the same way."
    )


class ThemeParameters(_Parameters):
    """Everything under `music.theme`."""

    codebook: CodebookParameters = Field(default_factory=CodebookParameters, description="Frames to words.")
    bags: BagParameters = Field(default_factory=BagParameters, description="Counts to bags.")
    topics: TopicParameters = Field(default_factory=TopicParameters, description="Bags to topics.")
    cards: CardParameters = Field(default_factory=CardParameters, description="Topics to theme cards.")
    evaluation: ThemeEvaluationParameters = Field(
        default_factory=ThemeEvaluationParameters, description="Themes against labels."
    )

"""The data of case ``belief``: vectors of `mini`, short queries with what answers them, queries that nothing answers.

Words answer to a photograph that at least two of its five captions name, in any of the listed forms, or whose label
they are.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from data import data_set
from numpy.typing import NDArray

from mmsearch import Collection
from mmsearch.retrieval.encoders.mini import MiniEncoder
from mmsearch.retrieval.search.query_texts import prompted
from mmsearch.unit import normalize_rows

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

# Everyday nouns that many captions name. Among flickr8k_dev500 alone.
NOUNS = [
    "dog",
    "man",
    "boy",
    "girl",
    "woman",
    "child",
    "baby",
    "ball",
    "beach",
    "water",
    "snow",
    "grass",
    "street",
    "bike",
    "car",
    "mountain",
    "rock",
    "pool",
    "river",
    "boat",
    "tree",
    "hat",
    "horse",
    "field",
    "bird",
    "skateboard",
    "bench",
    "bicycle",
    "jacket",
]
# Asked of flickr8k_dev500 and labels100 together: half of them are in the one, half in the other, some in both.
MIXED = [
    "dog",
    "beach",
    "man",
    "woman",
    "girl",
    "boy",
    "child",
    "baby",
    "ball",
    "water",
    "snow",
    "grass",
    "street",
    "bike",
    "car",
    "rock",
    "mountain",
    "pool",
    "river",
    "boat",
    "bird",
    "butterfly",
    "chair",
    "elephant",
    "guitar",
    "helicopter",
    "laptop",
    "panda",
    "piano",
    "pigeon",
    "pizza",
    "umbrella",
    "sunflower",
    "strawberry",
    "airplane",
]
PLURALS = {
    "dogs": "dog", "children": "child", "boys": "boy", "girls": "girl", "men": "man", "women": "woman",
    "rocks": "rock", "mountains": "mountain", "trees": "tree", "bikes": "bike", "balls": "ball", "cars": "car",
    "people": "people", "kids": "kid", "boats": "boat",
}  # fmt: skip
VERBS = {
    "running": "run runs running ran", "jumping": "jump jumps jumping leaps leaping", "sitting": "sit sits sitting",
    "playing": "play plays playing", "walking": "walk walks walking", "climbing": "climb climbs climbing",
    "swimming": "swim swims swimming swam", "riding": "ride rides riding", "standing": "stand stands standing",
    "smiling": "smile smiles smiling", "holding": "hold holds holding", "lying": "lay lays laying lie lies lying",
    "catching": "catch catches catching", "throwing": "throw throws throwing", "dancing": "dance dances dancing",
    "digging": "dig digs digging", "posing": "pose poses posing", "carrying": "carry carries carrying",
    "looking": "look looks looking", "watching": "watch watches watching",
}  # fmt: skip
COLOURS = ["red", "white", "black", "blue", "green", "yellow", "pink", "orange", "brown"]
TWO_WORDS = """black dog|brown dog|white dog|red shirt|blue shirt|little girl|young boy|young girl|little boy
dog running|dog jumping|two dogs|two girls|three men|people walking|man climbing|snowy mountain|blue water
green grass|two people|young woman|children playing|small dog|young man""".replace("\n", "|").split("|")
PLURAL_OF = {"man": "men", "woman": "women", "child": "children", "person": "people"}
LABELS_OF = {
    "dog": ["dalmatian"], "bird": ["pigeon", "flamingo", "rooster"], "guitar": ["electric guitar"],
    "piano": ["grand piano"], "motorcycle": ["motorbike"], "boat": ["ferry"],
}  # fmt: skip
# Labels whose things are in photographs of flickr8k_dev500 too, or look like what is.
COMMON_LABELS = {
    "car", "chair", "dalmatian", "motorbike", "umbrella", "ferry", "pigeon", "bonsai", "butterfly", "airplane",
    "rooster", "wheelchair", "soccer ball", "dolphin", "stop sign",
}  # fmt: skip

# Everyday things that are in no photograph, sound or film of the data.
ABSENT = """an invoice|a wind turbine|a tax form|a submarine|a goldfish bowl|a microscope|an x-ray of a chest
sushi on a plate|a polar bear on ice|a rocket launch|a wedding cake|a giraffe|a screenshot of an email|a bowl of soup
a cathedral interior|the eiffel tower|a pie chart|a passport|an octopus|a lighthouse|a dentist's chair|a hospital bed
a map of europe|a receipt from a supermarket|a penguin colony|a volcano erupting|a spider web
a computer circuit board|a barcode|a bookshelf full of books|a telescope|a stack of dollar bills|an ultrasound
a washing machine|a space station|an open fridge|a typewriter|a treadmill in a gym|a coral reef
a snake in a terrarium|a slice of cheese|a beehive|a courtroom|a toothbrush|a pair of scissors|a chandelier
a jellyfish|a wine cellar|a filing cabinet|a kettle on a stove|a lawn mower in a shed|a credit card|a floor plan
a stained glass window|an anatomical drawing|a crossword puzzle|a bar chart with percentages|a satellite photo
a chemistry lab|a test tube|a conference call|a spreadsheet with numbers|a page of source code|a handwritten letter
a birth certificate|a coffee machine|a roast turkey|a plate of spaghetti|a bowl of ramen|a loaf of bread
a sliced avocado|a jar of honey|a bunch of grapes|a pineapple|a cabbage|an onion|a mushroom in the forest
a raspberry tart|a bottle of olive oil|an oil refinery|a nuclear power plant|a container ship|a cargo port
a combine harvester|a bulldozer|an excavator|a forklift|a solar panel on a roof|a power line|a water dam
an underground station|an escalator|an elevator|an empty parking garage|a supermarket aisle|a shopping cart
a hotel lobby|an operating room|a dental x-ray|a pharmacy|a blister pack of pills|a syringe|a stethoscope
a hearing aid|a wrist watch on a table|a diamond ring|a pearl necklace|a lipstick|a hair dryer|a sewing machine
a knitting pattern|an ironing board|a vacuum cleaner|a dishwasher|a microwave oven|a toaster|a frying pan
a corkscrew|a teapot|a chopping board|a recipe|a menu in a restaurant|a bathroom sink|a bathtub|a roll of toilet paper
a fire extinguisher|a light bulb|a candle holder|a wall clock|a thermometer|a weather map|a tornado|a lightning bolt
the northern lights|the milky way|a solar eclipse|a planet with rings|an astronaut|a robot arm|a drone in the sky
a 3d printer|a server rack|a usb stick|a pair of headphones on a desk|a game controller|a television studio
an old radio|a record player|an accordion|a harp|a cello|an opera house|a ballet|a marble statue|an oil painting
a mosaic|a cave painting|a fossil|a dinosaur skeleton|a mummy|a suit of armor|a sword|a cannon|a tank|a fighter jet
an aircraft carrier|a parachute|a zeppelin|a steam locomotive|a tram|a gondola in venice|a pagoda|a mosque|an igloo
a log cabin|a greenhouse|a vineyard|a rice terrace|a corn field|a windmill|a scarecrow|a hen house|a pig|a donkey
a rabbit in a hutch|a hamster|a parrot|an owl|an eagle|a swan|a peacock|a bat hanging upside down|a hippopotamus
a crocodile|a shark|a whale|a seahorse|a lobster|a snail|an ant|a bee on a flower|a caterpillar|a frog|a lizard
a turtle|a koala|a sloth|a gorilla|a wolf|a fox|a squirrel|a reindeer|a buffalo|a cactus|a palm leaf|a rose bouquet
a tulip field|a bamboo forest|a christmas ornament|an easter egg|a halloween pumpkin|a menorah|a gift box
a piggy bank|a safe|a lottery ticket|a stock chart|a contract with a signature|a business card|a name tag
a crown|a throne|a coat of arms""".replace("\n", "|").split("|")
ABSENT_WORDS = [
    "invoice",
    "turbine",
    "submarine",
    "microscope",
    "sushi",
    "rocket",
    "giraffe",
    "screenshot",
    "soup",
    "cathedral",
    "passport",
    "octopus",
    "lighthouse",
    "dentist",
    "receipt",
    "penguin",
    "volcano",
    "barcode",
    "telescope",
    "dollar",
    "spreadsheet",
    "fridge",
    "jellyfish",
    "typewriter",
    "scissors",
    "toothbrush",
    "cheese",
    "chandelier",
    "queen",
    "astronaut",
    "bulldozer",
    "excavator",
    "forklift",
    "escalator",
    "elevator",
    "pharmacy",
    "syringe",
    "stethoscope",
    "necklace",
    "lipstick",
    "toaster",
    "microwave",
    "dishwasher",
    "teapot",
    "corkscrew",
    "recipe",
    "menu",
    "bathtub",
    "thermometer",
    "tornado",
    "lightning",
    "galaxy",
    "eclipse",
    "planet",
    "robots",
    "headphones",
    "accordion",
    "cello",
    "opera",
    "ballet",
    "mosaic",
    "fossil",
    "dinosaur",
    "mummy",
    "sword",
    "cannon",
    "parachute",
    "locomotive",
    "pagoda",
    "mosque",
    "igloo",
    "vineyard",
    "windmill",
    "scarecrow",
    "pig",
    "donkey",
    "hamster",
    "parrot",
    "owl",
    "eagle",
    "swan",
    "peacock",
    "crocodile",
    "shark",
    "whale",
    "lobster",
    "snail",
    "caterpillar",
    "frog",
    "lizard",
    "koala",
    "gorilla",
    "wolf",
    "squirrel",
    "cactus",
    "tulip",
    "bamboo",
    "pumpkin",
    "lottery",
    "contract",
    "crown",
    "throne",
    "diamond",
    "pineapple",
    "grapes",
    "mushroom",
    "onion",
    "honey",
    "spaghetti",
    "avocado",
]
LANGUAGES = """ein hund am strand|eine frau mit rotem hut|zwei kinder spielen fussball|un perro corriendo en la playa
una mujer con sombrero rojo|dos niños jugando|un chien qui court sur la plage|une femme avec un chapeau rouge
deux enfants jouent au ballon|un cane che corre sulla spiaggia|una donna con cappello|due bambini giocano
um cachorro na praia|pies biegnie po plazy|kobieta w czerwonym kapeluszu|en hund springer på stranden
hond op het strand|kumsalda koşan köpek|koira juoksee rannalla|kutya a parton|pas na plazi|der mann fährt fahrrad
la montagne sous la neige|el coche rojo|das haus am see|le chat dort|il gatto dorme|die katze schläft
ein mann klettert|l'homme grimpe""".replace("\n", "|").split("|")
SOUND_WORDS = {
    "dog": "a dog barking", "barking": "a dog barking", "rain": "rain falling", "waves": "sea waves",
    "baby": "a baby crying", "crying": "a baby crying", "clock": "a clock ticking", "sneezing": "a person sneezing",
    "helicopter": "a helicopter flying", "chainsaw": "a chainsaw running", "rooster": "a rooster crowing",
    "fire": "a crackling fire",
}  # fmt: skip


def letters(count: int = 60) -> list[str]:
    """Texts of one to three words of letters at random, always the same."""
    rng = random.Random(1)

    def word() -> str:
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(3, 9)))

    return [" ".join(word() for _ in range(rng.randint(1, 3))) for _ in range(count)]


def forms(word: str) -> set[str]:
    """A noun and its plurals."""
    return {word, f"{word}s", f"{word}es", re.sub("y$", "ies", word), PLURAL_OF.get(word, word)}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """A file of JSON lines."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@dataclass(frozen=True, slots=True)
class Sounds:
    """Rows of sounds or films, and queries with the rows that answer them."""

    rows: Floats
    queries: list[str]
    right: list[NDArray[np.int64]]


def unnamed(texts: list[str], captions: list[str]) -> list[str]:
    """The texts of which no caption has a word of five letters or more, so that they are surely in no photograph."""
    named = set(re.findall("[a-z]+", " ".join(captions).lower()))
    named |= {f"{word}s" for word in named}
    return [text for text in texts if not named & {word for word in re.findall("[a-z]+", text) if len(word) > 4}]


class BeliefData:
    """All vectors, embedded once with `mini`; unit rows, float32 ``[n, 256]``.

    Attributes:
        photos: of flickr8k_dev500.
        captions: of all captions, five a photo in the order of the photos.
        photo_of: the photo of each caption.
        things: everyday things that are in no photograph, in a few words.
        thing_words: the same in one word.
        labelled: the photographs of labels100.
        labels: the label of each.
    """

    def __init__(self) -> None:
        self.encoder = MiniEncoder()
        flickr, labels = data_set("flickr8k_dev500"), data_set("labels100")
        self.texts: dict[str, list[str]] = {}
        for pair in read_lines(flickr / "pairs.jsonl"):
            self.texts.setdefault(pair["relevant"][0], []).append(pair["query"])
        files = list(self.texts)
        label_of = {line["file"]: line["label"] for line in read_lines(labels / "meta.jsonl")}
        stored = self._index([flickr / "images", labels / "images", data_set("esc10_fold1") / "audio",
                              data_set("video20") / "video"])  # fmt: skip
        self.photos = np.concatenate([stored["image"][str(flickr / file)] for file in files])
        self.labelled = np.concatenate([stored["image"][str(labels / file)] for file in label_of])
        self.labels = list(label_of.values())
        self.kinds = sorted(set(self.labels))
        captions = [(i, text) for i, file in enumerate(files) for text in self.texts[file]]
        self.caption_texts = [text for _, text in captions]
        self.captions = self.encode(self.caption_texts)
        self.photo_of = np.array([i for i, _ in captions])
        self.things = unnamed(ABSENT, self.caption_texts)
        self.thing_words = unnamed(ABSENT_WORDS, self.caption_texts)
        self.words_of = [[set(re.findall("[a-z]+", text.lower())) for text in self.texts[file]] for file in files]
        self.sounds = self._pairs_of("esc10_fold1", stored["audio"])
        self.films = self._pairs_of("video20", stored["video"])

    def _index(self, folders: list[Path]) -> dict[str, dict[str, Floats]]:
        """Vectors of every file by modality and path, as a collection stores them."""
        with tempfile.TemporaryDirectory() as root, Collection.create(root, "mini") as collection:
            collection.index(folders, ocr="off")
            records = list(collection)
            vectors = normalize_rows(collection.vectors([record.id for record in records]).vectors)
        found: dict[str, dict[str, list[Floats]]] = {}
        for record, vector in zip(records, vectors, strict=True):
            found.setdefault(record.modality, {}).setdefault(record.path, []).append(vector)
        return {modality: {p: np.stack(v) for p, v in own.items()} for modality, own in found.items()}

    def _pairs_of(self, name: str, stored: dict[str, Floats]) -> Sounds:
        folder = data_set(name)
        own = {path: rows for path, rows in stored.items() if path.startswith(f"{folder}/")}
        first = dict(zip(own, np.cumsum([0, *map(len, own.values())]), strict=False))
        pairs = read_lines(folder / "pairs.jsonl")
        right = [
            np.concatenate([first[p] + np.arange(len(own[p])) for p in (str(folder / f) for f in pair["relevant"])])
            for pair in pairs
        ]
        return Sounds(np.concatenate(list(own.values())), [pair["query"] for pair in pairs], right)

    def encode(self, texts: list[str]) -> Floats:
        """Texts as they are."""
        return self.encoder.encode_texts(texts)

    def encode_queries(self, texts: list[str]) -> Floats:
        """Texts as a search embeds them that looks among pictures: single words in prompts."""
        return self.in_prompts(texts, [prompted(text, self.encoder) or [text] for text in texts])

    def in_prompts(self, texts: list[str], prompts: list[list[str]]) -> Floats:
        """Each text as the mean of its prompts."""
        flat = self.encode([prompt for own in prompts for prompt in own])
        ends = np.cumsum([len(own) for own in prompts])[:-1]
        return normalize_rows(np.stack([part.mean(axis=0) for part in np.split(flat, ends)]))

    @cached_property
    def gallery(self) -> Floats:
        """flickr8k_dev500 and labels100 together."""
        return np.concatenate([self.photos, self.labelled])

    def named(self, words: set[str], least: int = 2) -> Bools:
        """The photos that at least ``least`` captions name by one of the words."""
        return np.array([sum(bool(words & own) for own in captions) >= least for captions in self.words_of])

    def labelled_as(self, word: str) -> Bools:
        """The photographs of labels100 that a word fits."""
        return np.array([label == word or label in LABELS_OF.get(word, ()) for label in self.labels])

    def words(self) -> dict[str, dict[str, Bools]]:
        """The sets of short queries, and what of `gallery` answers each; labels count in the set ``mixed`` alone."""
        none = np.zeros(len(self.labelled), np.bool_)

        def photos(words: set[str]) -> Bools:
            return np.concatenate([self.named(words), none])

        def of_two(text: str) -> Bools:
            one, other = (
                forms(PLURALS.get(word, word)) | {word} | set(VERBS.get(word, "").split()) for word in text.split()
            )
            both = [sum(bool(one & own) and bool(other & own) for own in captions) >= 2 for captions in self.words_of]
            return np.concatenate([np.array(both), none])

        return {
            "nouns": {word: photos(forms(word)) for word in NOUNS},
            "mixed": {word: np.concatenate([self.named(forms(word)), self.labelled_as(word)]) for word in MIXED},
            "plurals": {word: photos(forms(one) | {word}) for word, one in PLURALS.items()},
            "verbs": {word: photos(set(own.split())) for word, own in VERBS.items()},
            "colours": {word: photos({word}) for word in COLOURS},
            "two words": {text: of_two(text) for text in TWO_WORDS},
        }

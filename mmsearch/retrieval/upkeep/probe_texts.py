"""Probe texts: queries such as people type, to calibrate an index with. Scenes, things, actions, sounds, ideas.

They are composed from word lists by patterns, all equally likely, with a seed: the same texts on every machine. They
need not read well, but must vary, so that recall is measured all over the space of texts.
"""

from __future__ import annotations

import random
import re

_WORDS: dict[str, str] = {
    "who": "a man|a woman|a boy|a girl|two children|an old couple|a crowd|a baby|a cyclist|a chef|a nurse|a farmer"
    "|a teacher|a football team|a bride and groom|a tourist|a street musician|three friends|a firefighter|a dancer"
    "|a carpenter|a diver|a family|a toddler|a police officer|a surgeon|a climber|my grandmother|a choir|a referee",
    "animal": "dog|cat|horse|cow|lamb|elephant|lion|tiger|bear|owl|parrot|penguin|duck|fox|rabbit|squirrel|snake|frog"
    "|turtle|shark|whale|dolphin|goldfish|bee|butterfly|spider|donkey|goat|monkey|giraffe|zebra|hedgehog|crab|peacock",
    "thing": "car|bicycle|bus|train|sailing boat|airplane|tractor|motorcycle|umbrella|guitar|piano|violin|laptop|phone"
    "|camera|clock|lamp|sofa|table|chair|bed|bookcase|mirror|vase|teapot|cup|spoon|suitcase|backpack|shoe|dress|coat"
    "|hat|watch|ring|ball|kite|doll|balloon|candle|key|ladder|hammer|bottle|basket|bridge|fountain|lighthouse|statue"
    "|tent|fence|door|window|staircase|windmill|church|castle|skyscraper|traffic light|road sign|map|poster|receipt",
    "food": "pizza|a bowl of soup|fried eggs|a chocolate cake|sushi|a green salad|bread and cheese|a cup of coffee"
    "|ice cream|grilled fish|pancakes with berries|noodles|a glass of red wine|apples in a crate|a birthday cake|tacos"
    "|roast chicken|oranges|a pot of tea|cookies on a tray|strawberries|rice with vegetables|a burger and fries",
    "place": "on a beach|in a forest|in the mountains|in a kitchen|on a busy street|in a park|by a lake|in the desert"
    "|at a market|in a library|on a stage|in a classroom|in a hospital|at an airport|in a garden|on a rooftop"
    "|under a bridge|in a swimming pool|on a snowy slope|in a workshop|at a train station|in a living room|on a farm"
    "|in a cave|at the harbour|in an office|in a stadium|beside a river|in a field of flowers|in a parking lot",
    "when": "at sunset|at night|in the rain|in the snow|in the morning|on a foggy day|in bright sunlight|in autumn"
    "|in spring|during a storm|by candlelight|under a full moon|at dawn|in summer|on New Year's Eve|before the war",
    "look": "red|blue|green|yellow|black|white|pink|orange|purple|brown|golden|silver|striped|old|broken|tiny|huge"
    "|wooden|rusty|shiny|empty|colourful|transparent|round|folded|handmade|vintage|modern|dusty|wet|torn|painted",
    "does": "running|sleeping|jumping over a puddle|looking at the camera|reading a book|eating|laughing|waiting"
    "|playing chess|riding a horse|swimming|climbing a wall|cooking dinner|dancing|painting a fence|holding flowers"
    "|carrying a box|talking on the phone|taking a photo|singing|crying|fishing|washing dishes|repairing an engine"
    "|pushing a cart|throwing a ball|sitting on the ground|walking away|blowing out candles|shaking hands|skating",
    "beast": "running|sleeping|drinking water|chasing a ball|looking out of the window|standing in the snow|being fed"
    "|jumping|hiding in the grass|yawning|crossing a road|carrying a stick|swimming|with its young|behind a fence",
    "sound": "barking dog|rain on a roof|church bells|a crying baby|applause|an engine starting|birds singing|thunder"
    "|waves on a shore|footsteps on gravel|a ringing phone|a door slamming|people laughing|a siren|a helicopter"
    "|a piano melody|drums|someone whistling|glass breaking|a cat purring|wind in the trees|a train passing|typing"
    "|a clock ticking|water boiling|a saw cutting wood|a speech|a rooster|fireworks|a crowd cheering|a vacuum cleaner",
    "shot": "a photo of|a close-up of|an aerial view of|a drawing of|a black and white picture of|a blurry photo of"
    "|a painting of|a screenshot of|a poster showing|a portrait of|a child's drawing of|a silhouette of",
    "idea": "loneliness|a happy moment|chaos|luxury|speed|danger|teamwork|peace and quiet|nostalgia|poverty|victory"
    "|boredom|technology|friendship|cold|heat|celebration|symmetry|motion|waste|love|fear|hope|hard work|freedom",
    "theme": "a wedding|a football match|a concert|a birthday party|a protest|a road trip|a science lesson|a parade"
    "|a funeral|a picnic|a job interview|a chess tournament|a traffic jam|a power cut|a flood|an exhibition|a race"
    "|moving house|a graduation|a camping trip|a school play|a harvest|a press conference|a hospital visit",
    "text": "a handwritten letter|a menu|a bar chart|an invoice|a city map|a page of a newspaper|a street sign"
    "|a floor plan|a slide with bullet points|a ticket|a chat message|a spreadsheet|a book cover|a logo|sheet music",
    "many": "two|three|several|a row of|a pile of|a pair of|a collection of|dozens of",
}

_PATTERNS = (
    "{who} {does} {place}",
    "{who} {does} {when}",
    "{who} and {who}",
    "{who} with a {look} {thing}",
    "{who} {place} {when}",
    "{shot} {who} {does}",
    "{shot} a {look} {thing}",
    "{shot} a {animal} {beast}",
    "a {animal} {beast} {place}",
    "a {animal} and a {animal}",
    "a {look} {animal}",
    "{animal}",
    "{thing}",
    "a {thing} {place} {when}",
    "a {look} {thing} {place}",
    "a {look} {thing} next to a {look} {thing}",
    "{look} {thing}",
    "{many} {thing}+s",
    "{many} {look} {thing}+s {place}",
    "{many} {animal}+s {place}",
    "{food}",
    "{food} on a {look} table",
    "{who} eating {food} {place}",
    "{shot} {food}",
    "the sound of {sound}",
    "{sound} {place}",
    "{sound} and {sound}",
    "{sound} {when}",
    "{idea}",
    "{idea} {place}",
    "something that shows {idea}",
    "{theme}",
    "{theme} {when}",
    "{who} at {theme}",
    "pictures from {theme}",
    "{text}",
    "{text} about {theme}",
    "{idea}, {text}",
    "nobody {place}",
    "{place} {when}, seen from above",
    "when was {theme}?",
    "how does {who} end up {does}?",
)


def make_probe_texts(count: int, *, seed: int = 0) -> list[str]:
    """``count`` distinct texts, always the same for a seed; about 100,000 can be made."""
    rng = random.Random(seed)
    lists = {kind: words.split("|") for kind, words in _WORDS.items()}
    made: dict[str, None] = {}  # a set in order of insertion
    while len(made) < count:
        pattern = _PATTERNS[rng.randrange(len(_PATTERNS))]
        text = re.sub(r"{(\w+)}", lambda slot: rng.choice(lists[slot[1]]), pattern)
        text = re.sub(r"(s|x|ch|sh)\+s\b", r"\1es", text).replace("+s", "s")
        made[re.sub(r"\ba (?=[aeiou])", "an ", text)] = None
    return list(made)

"""What the files of `written_sets` are about: topics with sentences, and descriptions in other words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """A subject: its title, sentences on it, and what somebody would ask who does not know these sentences."""

    title: str
    sentences: tuple[str, ...]
    descriptions: tuple[str, ...]


TOPICS = (
    Topic(
        "Pruning apple trees",
        (
            "Cut in late winter, before the buds swell, on a dry and mild day.",
            "Remove branches that cross or rub against each other.",
            "Leave no stumps, because rot enters through them.",
            "A crown that lets light through gives larger apples.",
            "Young shoots that grow straight up bear nothing and may go.",
            "Clean the saw before you move on to another trunk.",
        ),
        ("gardening advice for an orchard", "how to trim fruit plants"),
    ),
    Topic(
        "Baking rye bread",
        (
            "Feed the sourdough the evening before with flour and warm water.",
            "The dough is sticky and needs no long kneading.",
            "Let the loaf rest in its basket until it has doubled.",
            "Start in a very hot oven and lower the heat after ten minutes.",
            "A bowl of water on the oven floor gives a thick crust.",
            "Wait a full day before you slice it.",
        ),
        ("a recipe for something from the bakery", "cooking instructions for a wholemeal loaf"),
    ),
    Topic(
        "Mending a puncture",
        (
            "Turn the bicycle over and take the wheel out of the fork.",
            "Lever the tyre off the rim, beginning opposite the valve.",
            "Pump up the tube and hold it under water to find the hole.",
            "Roughen the rubber, spread the glue thinly and wait.",
            "Press the patch on firmly and dust it with chalk.",
            "Feel along the inside of the tyre for thorns and glass.",
        ),
        ("repairing a flat on a bike", "what to do when cycling and the air goes out"),
    ),
    Topic(
        "The night sky in August",
        (
            "The Perseids reach their peak around the twelfth of the month.",
            "Saturn rises in the east soon after sunset.",
            "The three bright stars of summer stand almost overhead.",
            "Give your eyes twenty minutes to get used to the dark.",
            "Binoculars show the moons of Jupiter before dawn.",
            "The Milky Way runs from north to south around midnight.",
        ),
        ("astronomy for beginners", "when to watch meteors and planets"),
    ),
    Topic(
        "Rental agreement",
        (
            "The tenant pays the rent in advance on the third working day.",
            "The deposit amounts to two months and earns interest.",
            "Pets other than small animals need the landlord's consent.",
            "Either side may give notice of three months in writing.",
            "Small repairs up to a hundred euros are borne by the tenant.",
            "The flat is handed back swept clean and with all keys.",
        ),
        ("a contract for an apartment", "legal terms for people who let a home"),
    ),
    Topic(
        "Minutes of the meeting",
        (
            "The chair opened the session and welcomed two new members.",
            "The accounts of last year were approved without objection.",
            "The roof of the clubhouse is to be renewed in spring.",
            "Three offers were compared and the cheapest was turned down.",
            "The treasurer asks everybody to pay their fees by transfer.",
            "The next assembly takes place after the holidays.",
        ),
        ("what was decided by a society", "protocol of an association's gathering"),
    ),
    Topic(
        "Caring for a kitten",
        (
            "Keep the litter tray far away from the feeding bowl.",
            "A scratching post saves the sofa.",
            "The first vaccination is due at eight weeks.",
            "Short games with a feather tire it out before bedtime.",
            "Milk upsets its stomach, so offer fresh water.",
            "Let it come to you instead of picking it up.",
        ),
        ("tips for owners of a young cat", "looking after a small pet at home"),
    ),
    Topic(
        "Train timetable changes",
        (
            "Because of work on the bridge, services end one stop earlier.",
            "Replacement buses leave from the square outside the station.",
            "Please allow thirty minutes more for your journey.",
            "Tickets stay valid on all regional lines.",
            "Bicycles cannot be carried on the replacement service.",
            "From Monday on, the express calls at the harbour again.",
        ),
        ("information for railway passengers about delays", "public transport disruption notice"),
    ),
    Topic(
        "Treating a sprained ankle",
        (
            "Stop the activity at once and raise the leg.",
            "Cool the joint with ice wrapped in a towel.",
            "A firm bandage limits the swelling.",
            "See a doctor if you cannot put weight on the foot.",
            "Begin gentle exercises after the third day.",
            "A brace protects the ligament for six weeks.",
        ),
        ("first aid for a sports injury", "medical help after twisting a limb"),
    ),
    Topic(
        "Setting up the printer",
        (
            "Remove all orange tape before you switch the device on.",
            "Load the paper tray and slide the guides to its edges.",
            "Hold the wireless button until the blue lamp flashes.",
            "Choose the network in the menu and type its password.",
            "Print a test sheet to align the cartridges.",
            "If the queue is stuck, restart the spooler service.",
        ),
        ("computer hardware installation guide", "how to connect an office machine to wifi"),
    ),
    Topic(
        "Quarterly results",
        (
            "Revenue rose by seven per cent on the year before.",
            "Operating profit fell because energy became dearer.",
            "The order book covers the next nine months.",
            "The board proposes to leave the dividend unchanged.",
            "Two plants were merged, and debt was reduced further.",
            "For the full year we expect sales at the upper end.",
        ),
        ("financial report of a company", "business figures for shareholders"),
    ),
    Topic(
        "Sailing in strong wind",
        (
            "Reef the mainsail early, while it is still easy.",
            "Everybody on deck wears a lifejacket and a line.",
            "Ease the sheet in a gust instead of fighting the tiller.",
            "Keep clear of the lee shore and check the depth.",
            "Stow everything below that could fly about.",
            "Heave to if the crew needs a rest.",
        ),
        ("safety on a boat in a storm", "seamanship for yachts"),
    ),
    Topic(
        "The siege of the castle",
        (
            "The army of the duke arrived before the walls in May.",
            "For eleven weeks catapults threw stones at the gate.",
            "The well ran dry, and bread was shared out by weight.",
            "A tunnel under the eastern tower was discovered in time.",
            "Envoys met on the bridge and agreed on a truce.",
            "The garrison marched out with its banners.",
        ),
        ("history of a medieval war", "battle over a fortress"),
    ),
    Topic(
        "Learning the violin",
        (
            "Rest the instrument on the collarbone and drop the shoulder.",
            "Tighten the bow only until a pencil fits under the hair.",
            "Play scales slowly with a drone to train the ear.",
            "Ten minutes each day are worth more than an hour on Sunday.",
            "Listen for the ringing of open strings.",
            "Mark difficult bars and repeat them from the back.",
        ),
        ("music lessons for a string player", "practising a classical instrument"),
    ),
    Topic(
        "Insulating the attic",
        (
            "Measure the depth between the rafters in several spots.",
            "The vapour barrier belongs on the warm side.",
            "Seal every joint with tape and every pipe with a collar.",
            "Press the wool in without squeezing it.",
            "Leave a gap for air beneath the tiles.",
            "A well packed roof halves the heating bill.",
        ),
        ("saving energy in a house", "building renovation under the roof"),
    ),
    Topic(
        "Beekeeping in spring",
        (
            "On the first warm day look whether the colony has enough honey.",
            "Replace old dark combs with fresh foundation.",
            "Mark the queen while there are few bees.",
            "Add a second box when the cherries bloom.",
            "Hang in a drone frame against the mite.",
            "Watch for swarm cells every seven days.",
        ),
        ("keeping insects in a hive", "work at the apiary"),
    ),
    Topic(
        "School trip to the museum",
        (
            "We meet at half past eight in the yard with a packed lunch.",
            "Please give your child a small backpack and a raincoat.",
            "The guided tour through the dinosaur hall takes an hour.",
            "Pocket money is limited to five coins.",
            "Parents who want to come along should tell the teacher.",
            "The coach returns at about four in the afternoon.",
        ),
        ("letter to parents about an excursion", "pupils visiting an exhibition"),
    ),
    Topic(
        "Brewing green tea",
        (
            "Let the kettle cool until the water no longer steams.",
            "Use one spoon of leaves for each small cup.",
            "The first infusion takes a minute, the second less.",
            "Pour to the last drop so that nothing turns bitter.",
            "Store the tin away from light and from coffee.",
            "A glazed pot keeps no taste of yesterday.",
        ),
        ("preparing a hot drink", "making a beverage the Japanese way"),
    ),
    Topic(
        "Backing up your files",
        (
            "Keep three copies on two kinds of media, one of them elsewhere.",
            "Encrypt the disk before it leaves the house.",
            "Test a restore twice a year, not only the backup.",
            "Snapshots protect against deleted folders, not against fire.",
            "Unplug the drive when the copy has ended.",
            "Write down the passphrase and lock it away.",
        ),
        ("protecting digital data from loss", "computer storage safety"),
    ),
    Topic(
        "Hiking to the summit",
        (
            "The path starts behind the chapel and climbs through beech wood.",
            "Above the hut the marks are red and white.",
            "A steel cable helps across the narrow ledge.",
            "Turn back if clouds gather over the ridge.",
            "From the cross you see the lake and two glaciers.",
            "The descent over the meadows takes three hours.",
        ),
        ("walking route in the mountains", "an alpine tour for trekkers"),
    ),
)

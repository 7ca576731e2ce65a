"""The words of our stories. Plain lists; nothing here is random."""

GIRLS = """Anna Maya Lily Rosa Nora Ivy Clara Ella Mina Zoe Tess Olga Vera Nina Ruby Sofia Iris Hana Wanda Petra Lucy
Emma Ada Greta Molly June Daisy Leila Freya Alma""".split()
BOYS = """Tom Ben Leo Max Sam Omar Ivan Felix Hugo Otto Finn Karl Noah Amir Pavel Jack Oscar Theo Luis Boris Peter Simon
Adam Henry Victor Emil Anton Marco Dylan Arthur""".split()

# people by what they do; the story decides whether it is a he or a she
PEOPLE = """child baker gardener teacher doctor painter farmer sailor captain driver pilot nurse singer dancer writer cook
tailor carpenter clockmaker librarian postman guard mayor engineer student scientist fisherman shepherd hunter traveller
merchant miller blacksmith musician plumber actor lawyer shopkeeper astronaut inventor neighbour stranger visitor
detective magician poet builder beekeeper ranger""".split()
FAMILY_F = "mother sister aunt grandmother daughter girl woman queen princess".split()
FAMILY_M = "father brother uncle grandfather son boy man king prince".split()

ANIMALS = """dog cat horse goat fox rabbit bear wolf crow parrot duck goose hen cow sheep donkey mouse squirrel owl frog
turtle pony kitten puppy monkey otter badger hedgehog swan sparrow lion tiger elephant camel""".split()
MACHINES = "robot drone machine rover computer android tractor truck train tram bus boat".split()

# things that can be carried
THINGS = """key letter lamp book map coin ring cup bottle box basket bag hat coat scarf glove shoe boot umbrella candle
clock watch mirror camera phone radio drum flute violin guitar bell ball kite doll puzzle card brush pencil pen notebook
hammer saw rope ladder shovel bucket wheel spring magnet battery lens compass telescope seed apple pear lemon cake loaf
cheese egg jar spoon knife plate bowl kettle pot blanket pillow shirt button needle thread flag badge medal ticket
parcel postcard photograph painting stone shell feather leaf flower rose crystal pearl diamond crown helmet engine
lantern whistle toy sandwich cookie carrot potato pumpkin""".split()
HOLDERS = """box drawer cabinet cupboard chest bag basket suitcase wardrobe closet safe jar barrel trunk tin""".split()
FURNITURE = """table shelf chair desk bench bed sofa counter windowsill carpet floor doorstep roof wall fence""".split()
OPENINGS = "door gate cabinet safe drawer chest window cellar tower garage shed vault room house castle".split()
ROOMS = """kitchen bedroom cellar attic garden hall office workshop classroom library garage corridor bathroom
laboratory basement greenhouse""".split()
PLACES = """city village harbour forest river lake mountain valley island beach desert market museum school station
airport bridge castle palace temple church tower farm field park garden square street bakery hospital factory theatre
zoo cave hill port meadow shop inn mill lighthouse""".split()

COLOURS = "red blue green yellow white black brown grey golden silver orange purple pink".split()
QUALITIES = """old new small big tiny huge heavy light long short round broken dusty shiny rusty wooden iron glass
paper plastic stone cold warm wet dry clean dirty strange beautiful ugly simple strong soft hard smooth bright dark
empty full cheap rare famous secret lost quiet loud""".split()
MATERIALS = "wooden iron glass paper plastic stone".split()
PLAIN = [q for q in QUALITIES if q not in MATERIALS]      # what a thing can be said to look
MOODS = """happy sad tired hungry thirsty angry afraid lonely proud curious brave calm worried excited lazy careful clever kind
patient polite sleepy surprised nervous cheerful""".split()
NATURES = """old young little tall clever kind brave shy lazy careful quiet friendly honest cheerful grumpy curious
hungry lonely busy gentle""".split()
WEATHER = "cold warm rainy sunny windy foggy snowy stormy cloudy quiet bright dark".split()
AIR = "cold warm clear fresh damp still heavy sweet dry".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
SEASONS = "spring summer autumn winter".split()
TIMES = "morning afternoon evening night".split()
NUMBERS = "two three four five six seven eight nine ten eleven twelve twenty".split()
ADVERBS = """slowly quickly quietly carefully suddenly gently happily sadly loudly softly bravely finally patiently
politely eagerly""".split()
FOODS = "bread soup cheese cake rice honey fruit milk pie jam butter fish".split()
SUBJECTS = "music history stars numbers machines birds plants languages maps weather chess poetry dreams gold".split()

# (base, third person, past, participle in -ing): what somebody does to a thing
HANDLE = [tuple(w.split()) for w in """find finds found finding
take takes took taking
carry carries carried carrying
hide hides hid hiding
drop drops dropped dropping
clean cleans cleaned cleaning
repair repairs repaired repairing
paint paints painted painting
buy buys bought buying
sell sells sold selling
lose loses lost losing
bring brings brought bringing
hold holds held holding
keep keeps kept keeping
open opens opened opening
break breaks broke breaking
throw throws threw throwing
catch catches caught catching
draw draws drew drawing
borrow borrows borrowed borrowing
steal steals stole stealing
count counts counted counting
pack packs packed packing
wash washes washed washing
admire admires admired admiring
touch touches touched touching
push pushes pushed pushing
pull pulls pulled pulling
lift lifts lifted lifting
watch watches watched watching
study studies studied studying
measure measures measured measuring
guard guards guarded guarding
need needs needed needing
want wants wanted wanting
love loves loved loving
remember remembers remembered remembering""".split("\n")]
# what somebody does alone
ACT = [tuple(w.split()) for w in """laugh laughs laughed laughing
smile smiles smiled smiling
cry cries cried crying
sing sings sang singing
dance dances danced dancing
sleep sleeps slept sleeping
run runs ran running
wait waits waited waiting
work works worked working
listen listens listened listening
think thinks thought thinking
walk walks walked walking
swim swims swam swimming
jump jumps jumped jumping
rest rests rested resting
shout shouts shouted shouting
whisper whispers whispered whispering
dream dreams dreamed dreaming
hide hides hid hiding
stand stands stood standing
fall falls fell falling
climb climbs climbed climbing
play plays played playing
read reads read reading
write writes wrote writing""".split("\n")]
GO = [tuple(w.split()) for w in """walk walks walked walking
run runs ran running
travel travels travelled travelling
return returns returned returning
hurry hurries hurried hurrying
go goes went going
drive drives drove driving
ride rides rode riding
fly flies flew flying
sail sails sailed sailing
march marches marched marching
wander wanders wandered wandering""".split("\n")]
SAID = "said asked whispered shouted answered replied cried called".split()

IRREGULAR = {"child": "children", "man": "men", "woman": "women", "fisherman": "fishermen", "postman": "postmen",
             "mouse": "mice", "goose": "geese", "sheep": "sheep", "wolf": "wolves", "loaf": "loaves", "leaf": "leaves",
             "knife": "knives", "shelf": "shelves", "potato": "potatoes", "thief": "thieves", "radio": "radios"}


def plural(noun):
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if noun.endswith(("s", "x", "ch", "sh", "z")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def article(word):
    return "an" if word[0].lower() in "aeiou" and not word.startswith(("uni", "use", "one")) else "a"


def made_up_name(rng):
    """A name that no story had before: two or three syllables, so that only its earlier copy tells how it goes on."""
    start = "b br c d dr f g gr h j k kr l m n p pr qu r s sh t tr v vl w y z zh th".split()
    middle = "a e i o u ai ea oo".split()
    end = ["", "", "", "l", "n", "r", "k", "m", "s", "x", "th", "nd", "rt", "sk"]
    word = "".join(rng.choice(start) + rng.choice(middle) + (rng.choice(end) if rng.random() < 0.4 else "")
                   for _ in range(rng.choice([2, 2, 3])))
    return (word + rng.choice(end)).capitalize()

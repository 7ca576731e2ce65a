"""Our own grammar of little stories, which also says what each word depends on.

    python grammar.py 3 --seed 1        prints three stories with their truths

A sentence is a template. Between braces stands a reference to somebody or something of the story:

    {k}        a red key / the key / Talimo     {k.the} the red key    {k.a} a red key   {k.an} red key   {k.n} key
    {k.he} {k.him} {k.his} {k.himself}          a pronoun: its truth points to the last full mention of k
    {k.he?}                                     the same, if the last verb was k's; else as {k}
    {k.name}   a name                           a repeated name: its truth points to the earlier copy
    {k!needs}  {k!is/are}                       a verb of k (singular/plural): its truth points to the head noun
    {@song}    fixed text                       told again, each word points to the same word of the first telling

A truth is {kind, from: [start, end], to: [start, end]} in characters of the text; `to` always stands before `from`.
Kinds: pronoun, subject (the verb's subject), agreement (the same, with another noun in between), copy (a name),
verse (a fixed text told again, word by word), bracket (a closing quote or bracket to its opening one).
"""
import argparse
import json
import random
import re

import words as W

PRONOUNS = {"it": ("it", "it", "its", "itself"), "he": ("he", "him", "his", "himself"),
            "she": ("she", "her", "her", "herself"), "they": ("they", "them", "their", "themselves")}
FORMS = {"he": 0, "him": 1, "his": 2, "himself": 3}


class Entity:
    def __init__(self, noun, adj=None, pron="it", many=False, name=None):
        self.noun, self.adj, self.many, self.name = noun, adj, many, name
        self.pron = "they" if many else pron
        self.known = False      # mentioned before: "the", no longer "a"
        self.head = None        # span of the head noun (or name) of the last full mention
        self.last = None        # span of the last mention of any sort: what a verb agrees with


class Story:
    def __init__(self, rng):
        self.rng, self.text, self.truths = rng, "", []
        self.who = {}           # key -> Entity
        self.copies = {}        # name or fixed text -> start of its latest copy
        self.nouns_at = []      # starts of all noun heads, to tell `agreement` from `subject`
        self.fixed = {}
        self.actor = None       # whom the last verb belonged to: only that one may become a pronoun by `{k.he?}`

    # -- making entities ------------------------------------------------------------------------------------------
    def add(self, key, noun, adj=None, pron="it", many=False, name=None):
        self.who[key] = Entity(W.plural(noun) if many else noun, adj, pron, many, name)
        return self.who[key]

    def pick(self, options):
        return self.rng.choice(options)

    def used(self):
        return {e.noun for e in self.who.values()} | {e.adj for e in self.who.values()}

    def fresh(self, options):
        """A choice that no entity of this story has taken."""
        used = self.used()
        return self.rng.choice([o for o in options if o not in used] or options)

    def hero(self, key):
        """Somebody who acts: a named child, a person, an animal or a machine; named or not."""
        kind, r = self.rng.random(), self.rng
        if kind < 0.30:
            girl = r.random() < 0.5
            name = r.choice(W.GIRLS if girl else W.BOYS)
            noun = r.choice((W.FAMILY_F if girl else W.FAMILY_M)[-4:-2] + W.PEOPLE)
            return self.add(key, noun, self.fresh(W.NATURES), "she" if girl else "he", name=self._new_name(name))
        if kind < 0.60:
            name = W.made_up_name(r) if r.random() < 0.5 else None
            return self.add(key, self.fresh(W.PEOPLE), self.fresh(W.NATURES), r.choice(["he", "she"]), name=name)
        if kind < 0.80:
            name = W.made_up_name(r) if r.random() < 0.3 else None
            return self.add(key, self.fresh(W.ANIMALS), self.fresh(W.NATURES + W.COLOURS), "it", name=name)
        noun = "robot" if r.random() < 0.6 else self.fresh(W.MACHINES)
        name = W.made_up_name(r) if r.random() < 0.3 else None
        return self.add(key, noun, self.fresh(W.COLOURS + W.QUALITIES[:6]), "it", name=name)

    def person(self, key):
        r = self.rng
        if r.random() < 0.5:
            girl = r.random() < 0.5
            return self.add(key, r.choice(W.FAMILY_F if girl else W.FAMILY_M), self.fresh(W.NATURES),
                            "she" if girl else "he")
        return self.add(key, self.fresh(W.PEOPLE), self.fresh(W.NATURES), r.choice(["he", "she"]))

    def thing(self, key, nouns=W.THINGS, many=False):
        return self.add(key, self.fresh(nouns), self.fresh(W.COLOURS + W.QUALITIES), many=many)

    def _new_name(self, name):
        taken = {e.name for e in self.who.values()}
        while name in taken:
            name = W.made_up_name(self.rng)
        return name

    # -- telling --------------------------------------------------------------------------------------------------
    def say(self, *variants, sep=" "):
        """One sentence, chosen among the variants."""
        template = self.rng.choice(variants)
        if self.text and not self.text.endswith("\n"):
            self.text += sep
        start, last = len(self.text), 0
        for slot in re.finditer(r"\{([^}]*)\}", template):
            self.text += template[last:slot.start()]
            self._slot(slot.group(1))
            last = slot.end()
        self.text += template[last:]
        self._capitals(start)

    def maybe(self, chance, *variants):
        if self.rng.random() < chance:
            self.say(*variants)

    def _truth(self, kind, start, to):
        if to is not None:
            self.truths.append({"kind": kind, "from": [start, len(self.text)], "to": list(to)})

    def _write(self, word):
        start = len(self.text)
        self.text += word
        return start

    def _slot(self, slot):
        if slot[0] == "@":
            return self._fixed(slot[1:])
        if "!" in slot:
            key, verb = slot.split("!")
            e = self.who[key]
            verb = verb.split("/")[-1 if e.many else 0]
            start = self._write(verb.split(" ")[0])
            between = e.last and any(e.last[1] <= n < start for n in self.nouns_at)
            self._truth("agreement" if between else "subject", start, e.last)
            self.text += verb[len(verb.split(" ")[0]):]
            self.actor = key
            return
        key, _, form = slot.partition(".")
        e = self.who[key]
        if form == "he?":
            form = "he" if self.actor == key else ""
        if form in FORMS:
            start = self._write(PRONOUNS[e.pron][FORMS[form]])
            self._truth("pronoun", start, e.head)
            e.last = (start, len(self.text))
            return
        if form == "name" or (form == "" and e.name and e.known):
            e.known = True
            return self._name(e)
        adj = e.adj
        if form == "" and e.known and (self.rng.random() < 0.6):
            adj = None
        if form == "n":
            adj = None
        if form in ("", "the", "a"):
            first = adj or e.noun
            indefinite = form == "a" or (form == "" and not e.known)
            self.text += ("the " if not indefinite else "some " if e.many else W.article(first) + " ")
        if adj:
            self.text += adj + " "
        start = self._write(e.noun)
        e.head = e.last = (start, len(self.text))
        e.known = True
        self.nouns_at.append(start)

    def _name(self, e):
        start = self._write(e.name)
        if e.name in self.copies:
            old = self.copies[e.name]
            self._truth("copy", start, (old, old + len(e.name)))
        self.copies[e.name] = start
        e.head = e.last = (start, len(self.text))
        self.nouns_at.append(start)

    def _fixed(self, key):
        text, start = self.fixed[key], len(self.text)
        old = self.copies.get("@" + key)
        self.copies.setdefault("@" + key, start)
        if old is None:
            self.text += text
            return
        for m in re.finditer(r"\S+|\n", text):
            self.text = self.text[:start] + text[:m.end()]
            if m.group() != "\n":
                self.truths.append({"kind": "verse", "from": [start + m.start(), start + m.end()],
                                    "to": [old + m.start(), old + m.end()]})

    def _capitals(self, start):
        """A capital after a full stop and after an opening quote; pairs quotes and brackets on the way."""
        chars, up, quote, bracket = list(self.text), True, None, None
        for i in range(start, len(chars)):
            c = chars[i]
            if up and c.isalpha():
                chars[i], up = c.upper(), False
            elif c in ".!?" and not (i + 1 < len(chars) and chars[i + 1].isalnum()):
                up = quote is None or i + 1 < len(chars) and chars[i + 1] == " "
            elif c == '"':
                if quote is None:
                    quote, up = i, True
                else:
                    self.truths.append({"kind": "bracket", "from": [i, i + 1], "to": [quote, quote + 1]})
                    quote, up = None, chars[i - 1] == "."     # "Where is it?" she asked. "Here." The dog barked.
            elif c == "(":
                bracket = i
            elif c == ")" and bracket is not None:
                self.truths.append({"kind": "bracket", "from": [i, i + 1], "to": [bracket, bracket + 1]})
                bracket = None
        self.text = "".join(chars)


# -- scenes: each adds some sentences about the story's entities ------------------------------------------------------

def introduce(s, key):
    e = s.who[key]
    if e.name:
        s.say(f"there was {{{key}.a}} named {{{key}.name}}.", f"once there was {{{key}.a}} called {{{key}.name}}.",
              f"{{{key}.name}} was {{{key}.a}}.", f"this is the story of {{{key}.a}} named {{{key}.name}}.",
              f"in {{home.a}} there lived {{{key}.a}} whose name was {{{key}.name}}.")
    else:
        s.say(f"there was once {{{key}.a}}.", f"{{{key}.a}} lived near {{home.a}}.",
              f"one {s.pick(W.TIMES)} {{{key}.a}} came to {{home.a}}.",
              f"on {s.pick(W.DAYS)} {{{key}.a}} {{{key}!was}} walking through {{home.a}}.")


def weather(s):
    s.actor = None
    s.say(f"it was a {s.pick(W.WEATHER)} {s.pick(W.TIMES)}.", f"it was {s.pick(W.SEASONS)}, and the air was {s.pick(W.AIR)}.",
          f"the {s.pick(W.TIMES)} was {s.pick(W.WEATHER)} and {s.pick(W.WEATHER)}.",
          f"one {s.pick(W.WEATHER)} {s.pick(W.TIMES)} in {s.pick(W.MONTHS)} everything was {s.pick(['quiet', 'still', 'ready'])}.")


def habit(s, a):
    base, third, past, ing = s.pick(W.ACT)
    s.say(f"every {s.pick(W.TIMES)} {{{a}}} {{{a}!{past}}} in {{room}}.",
          f"{{{a}}} {{{a}!liked}} {s.pick(W.SUBJECTS)}, and {{{a}.he}} often {{{a}!{past}}} alone.",
          f"{{{a}}} {{{a}!was}} always {s.pick(W.MOODS)}, because {{{a}.he}} had {{t.a}}.",
          f"{{{a}}} {{{a}!loved}} {s.pick(W.FOODS)} and {s.pick(W.FOODS)}, but {{{a}.he}} did not like {s.pick(W.FOODS)}.",
          f"{{{a}}} had {s.pick(W.NUMBERS)} friends, and {{{a}.he}} told them everything.",
          f"when {{{a}}} was {s.pick(W.MOODS)}, {{{a}.he}} {{{a}!{past}}} for hours.")


def agreement(s, key=None):
    """The key to the old doors is ...: a head noun, a noun in between, and the verb of the head noun."""
    r = s.rng
    many, other = r.random() < 0.5, r.random() < 0.6
    s.actor = None
    if r.random() < 0.5:
        head, link, far = "key", "to", s.fresh(W.OPENINGS)
        if r.random() < 0.4:
            s.add("x", far, s.fresh(W.QUALITIES), many=other)
        else:
            s.add("x", far, "old" if r.random() < 0.5 else s.fresh(W.COLOURS), many=other)
    else:
        head, link, far = s.pick([
            ("letter", "from", r.choice(W.FAMILY_F + W.FAMILY_M)), ("path", "to", s.fresh(W.PLACES)),
            ("map", "of", s.fresh(W.PLACES)), ("picture", "of", s.fresh(W.ANIMALS)), ("door", "of", s.fresh(W.PLACES)),
            (s.fresh(W.THINGS), "in", s.fresh(W.HOLDERS)), (s.fresh(W.THINGS), "on", s.fresh(W.FURNITURE)),
            (s.fresh(W.THINGS), "near", s.fresh(W.OPENINGS)), (s.fresh(W.PEOPLE), "with", s.fresh(W.ANIMALS)),
            (s.fresh(W.PEOPLE), "behind", s.fresh(W.OPENINGS)), (s.fresh(W.ANIMALS), "beside", s.fresh(W.FURNITURE))])
        s.add("x", far, s.fresh(W.QUALITIES), many=other)
    s.add("k", head, None, many=many)
    adj, where = s.fresh(W.PLAIN), s.pick(W.FURNITURE)
    lead = s.pick(["the ", "the ", "the ", f"the {s.fresh(W.COLOURS)} "])
    base, third, past, ing = s.pick(W.ACT)
    s.say(lead + f"{{k.n}} {link} {{x.the}} {{k!is/are}} " + s.pick([
        f"on the {where}.", f"{adj}.", f"very {adj}.", f"{adj} and {s.fresh(W.PLAIN)}.", f"not {adj}.",
        f"in the {s.pick(W.HOLDERS)}.", f"lost.", "still here.", f"here, but {{k.he}} {{k!looks/look}} {adj}."]),
        lead + f"{{k.n}} {link} {{x.the}} {{k!was/were}} " + s.pick([
            f"on the {where}.", f"{adj}.", f"under the {where}.", f"{adj}, and nobody wanted {{k.him}}.",
            f"in {{room}}, where {{k.he}} {{k!was/were}} hard to find.", "gone."]),
        lead + f"{{k.n}} {link} {{x.the}} {{k!has/have}} " + s.pick(["been there for years.", "disappeared.",
                                                                      f"a {adj} mark.", "no name."]),
        lead + f"{{k.n}} that {{hero}} had seen near {{x.the}} {{k!looks/look}} {adj}.",
        lead + f"{{k.n}} {link} {{x.the}} {{k!does/do}} not look {adj}.")


def because(s, a, t, d):
    """Who is `it`? The robot picked up the key because it needed ... / because it was shiny."""
    adj = s.who[t].adj if s.who[t].adj in W.COLOURS + W.PLAIN else s.fresh(W.PLAIN)
    take = s.pick(["picked up", "took", "carried", "held", "kept", "found", "wanted", "grabbed"])
    s.say(f"{{{a}}} {{{a}!{take}}} {{{t}.the}} because {{{a}.he}} {{{a}!needed}} to open {{{d}.the}}.",
          f"{{{a}}} {{{a}!{take}}} {{{t}.the}} because {{{a}.he}} {{{a}!needed}} {{{t}.him}} for {{{d}.the}}.",
          f"{{{a}}} {{{a}!{take}}} {{{t}.the}} because {{{t}.he}} {{{t}!was/were}} so {adj}.",
          f"{{{a}}} {{{a}!{take}}} {{{t}.the}} because {{{t}.he}} {{{t}!was/were}} lying on the {s.pick(W.FURNITURE)}.",
          f"{{{a}}} {{{a}!{take}}} {{{t}.the}} because {{{a}.he}} {{{a}!was}} {s.pick(W.MOODS)}.",
          f"{{{a}}} could not open {{{d}.the}} because {{{d}.he}} {{{d}!was/were}} locked.",
          f"{{{t}}} did not fit into {{holder.the}} because {{{t}.he}} {{{t}!was/were}} too big.",
          f"{{{t}}} did not fit into {{holder.the}} because {{holder.he}} {{holder!was}} too small.",
          f"{{{a}}} put {{{t}.the}} into {{holder.the}}, and {{{a}.he}} closed {{holder.him}} {s.pick(W.ADVERBS)}.")


def handle(s, a, t):
    base, third, past, ing = s.pick(W.HANDLE)
    base2, third2, past2, ing2 = s.pick(W.HANDLE)
    s.say(f"{{{a}}} {{{a}!{past}}} {{{t}}} in {{room}}.",
          f"{{{a}.he?}} {{{a}!{past}}} {{{t}}} {s.pick(W.ADVERBS)} and {past2} {{{t}.him}} again.",
          f"then {{{a}.he?}} {{{a}!{past}}} {{{t}}} with {{{a}.his}} own hands." if s.who[a].pron != "it" else
          f"then {{{a}.he?}} {{{a}!{past}}} {{{t}}} and put {{{t}.him}} on the {s.pick(W.FURNITURE)}.",
          f"{{{a}}} {{{a}!wanted}} to {base} {{{t}}}, but {{{t}.he}} {{{t}!was/were}} too {s.pick(W.PLAIN)}.",
          f"{s.pick(W.ADVERBS)} {{{a}}} {{{a}!{past}}} {{{t}}}, and {{{a}.he}} {{{a}!{past2}}} {{{t}.him}} too.",
          f"for {s.pick(W.NUMBERS)} days {{{a}.he?}} {{{a}!{past}}} nothing but {{{t}}}.")


def at_the_door(s, a, d):
    how = s.pick(W.ADVERBS)
    s.say(f"{{{a}}} {{{a}!opened}} {{{d}}} {how} and {{{a}!looked}} inside.", f"{{{a}}} {{{a}!stood}} before {{{d}}}, but {{{d}.he}} {{{d}!was}} closed.",
          f"{{{a}}} {{{a}!closed}} {{{d}}} behind {{{a}.him}}.", f"{{{d}}} {{{d}!was}} open, so {{{a}}} {{{a}!went}} in.",
          f"{{{a}}} {{{a}!knocked}} at {{{d}}} {s.pick(W.NUMBERS)} times, and {{{d}.he}} {{{d}!opened}} {how}.",
          f"{{{d}}} {{{d}!was}} {s.pick(W.PLAIN)}, and {{{a}}} could not open {{{d}.him}} without {{t}}.")


def travel(s, a, place):
    base, third, past, ing = s.pick(W.GO)
    s.say(f"{{{a}}} {{{a}!{past}}} to {{{place}}}, and the way was {s.pick(['long', 'short', 'dark', 'steep', 'dusty'])}.",
          f"so {{{a}.he?}} {{{a}!{past}}} from {{home.the}} to {{{place}}}.",
          f"the next {s.pick(W.TIMES)} {{{a}}} {{{a}!{past}}} to {{{place}}} with {{t.the}}.",
          f"{{{a}.he?}} {{{a}!{past}}} past {{home.the}} until {{{a}.he}} {{{a}!saw}} {{{place}}}.",
          f"after {s.pick(W.NUMBERS)} hours {{{a}}} {{{a}!came}} to {{{place}}}.")


def feeling(s, a):
    base, third, past, ing = s.pick(W.ACT)
    s.say(f"{{{a}}} {{{a}!was}} {s.pick(W.MOODS)} and {s.pick(W.MOODS)}.",
          f"{{{a}.he?}} {{{a}!{past}}} {s.pick(W.ADVERBS)}.", f"{{{a}}} {{{a}!{past}}} because {{{a}.he}} {{{a}!felt}} {s.pick(W.MOODS)}.",
          f"{{{a}.he?}} {{{a}!looked}} {s.pick(W.MOODS)}, and everybody {past}.",
          f"{{{a}}} {{{a}!told}} {{{a}.himself}} not to be {s.pick(W.MOODS)}.")


def talk(s, a, b):
    v, w = s.pick(W.SAID), s.pick(["answered", "replied", "said"])
    adj = s.pick(W.PLAIN)
    s.say(f"\"where is {{t.the}}?\" {{{a}}} {{{a}!asked}}.", f"\"have you seen {{t.the}}?\" {{{a}}} {{{a}!asked}} {{{b}}}.",
          f"\"I need {{t.the}},\" {{{a}}} {{{a}!{v}}}.", f"\"who are you?\" {{{a}}} {{{a}!asked}} {{{b}}}.",
          f"{{{a}}} {{{a}!said}}, \"this {s.pick(W.FURNITURE)} is {adj}, and I am {s.pick(W.MOODS)}.\"",
          f"\"do not be {s.pick(W.MOODS)}!\" {{{a}}} {{{a}!told}} {{{b}}}.")
    e = s.who[b]
    if e.name and e.known:
        s.say(f"\"my name is {{{b}.name}},\" {{{b}.he}} {{{b}!{w}}}.", f"\"ask {{{b}.name}},\" {{{a}.he}} {{{a}!{v}}}.",
              f"\"{{{b}.name}} knows,\" {{{a}.he}} {{{a}!{v}}} {s.pick(W.ADVERBS)}.")
    else:
        s.say(f"\"it is in {{holder.the}},\" {{{b}}} {{{b}!{w}}}.", f"\"look on the {s.pick(W.FURNITURE)},\" {{{b}}} {{{b}!{w}}}.",
              f"\"I do not know,\" {{{b}}} {{{b}!{w}}}, and {{{b}.he}} {{{b}!looked}} {s.pick(W.MOODS)}.",
              f"\"perhaps {{{a}.he}} has lost it,\" {{{b}}} {{{b}!thought}}.")


def aside(s, a):
    s.say(f"{{t}} (it was {s.pick(W.PLAIN)} and {s.pick(W.PLAIN)}) lay on the {s.pick(W.FURNITURE)}.",
          f"{{{a}}} (who {{{a}!was}} {s.pick(W.MOODS)}) {{{a}!looked}} at {{t.the}}.",
          f"nobody in {{home.the}} (not even {{b.the}}) knew about it.",
          f"{{place.the}} (the one with the {s.pick(W.QUALITIES)} {s.pick(W.OPENINGS)}) was {s.pick(W.WEATHER)}.",
          f"there were {s.pick(W.NUMBERS)} {W.plural(s.pick(W.THINGS))} (and {s.pick(W.NUMBERS)} {W.plural(s.pick(W.THINGS))}) in {{room}}.")


def random_words(s, n):
    return [s.pick(s.pick([W.THINGS, W.ANIMALS, W.COLOURS, W.NUMBERS, W.PLACES, W.MOODS, W.QUALITIES, W.ROOMS]))
            for _ in range(n)]


def fixed_text(s):
    """Something nobody can guess and everybody can repeat: a song, a password, a number, a strange inscription."""
    r = s.rng
    kind = r.choice(["song", "words", "words", "code", "spell", "list"])
    if kind == "song":
        return kind, ", ".join(f"{s.pick(W.QUALITIES)} {s.pick(W.THINGS)} {s.pick(['in', 'on', 'under', 'near'])} the {s.pick(W.PLACES)}"
                               for _ in range(r.choice([2, 2, 3])))
    if kind == "words":
        return kind, " ".join(random_words(s, r.randint(4, 9)))
    if kind == "code":
        return kind, " ".join(str(r.randint(0, 9)) for _ in range(r.randint(4, 8)))
    if kind == "spell":
        return kind, " ".join(W.made_up_name(r).lower() for _ in range(r.randint(2, 4)))
    return kind, ", ".join(random_words(s, r.randint(3, 5))) + " and " + s.pick(W.THINGS)


def tell_fixed(s, kind, a, first):
    name = {"song": "song", "words": "inscription", "code": "number", "spell": "magic spell", "list": "list"}[kind]
    if first:
        s.say(f"on {{d.the}} somebody had written: \"{{@f}}\".", f"the {name} in {{t.the}} was \"{{@f}}\".",
              f"{{b}} had taught {{{a}}} a strange {name}: \"{{@f}}\".", f"the old {name} was: \"{{@f}}\".",
              f"{{{a}}} {{{a}!heard}} a voice that said \"{{@f}}\".")
    else:
        s.say(f"again {{{a}}} {{{a}!read}}: \"{{@f}}\".", f"\"{{@f}}\", {{{a}}} {{{a}!said}} {s.pick(W.ADVERBS)}.",
              f"{{{a}}} {{{a}!remembered}} the {name}: \"{{@f}}\".", f"and {{b}} {{b!answered}}: \"{{@f}}\".",
              f"all evening {{{a}.he?}} {{{a}!repeated}} \"{{@f}}\".", f"{{d}} opened when {{{a}.he}} {{{a}!said}} \"{{@f}}\".")


def ending(s, a):
    s.say(f"in the end {{{a}}} {{{a}!was}} {s.pick(W.MOODS)}.", f"that was the last day of {s.pick(W.SEASONS)}.",
          f"and {{{a}}} never {{{a}!forgot}} {{b.the}}.", f"from that day on {{{a}}} {{{a}!kept}} {{t}} in {{holder.the}}.",
          f"{{{a}}} {{{a}!went}} home, and {{{a}.he}} slept until {s.pick(W.DAYS)}.", f"they all laughed and ate {s.pick(W.FOODS)}.")


def tell_story(seed):
    """One story: a Story with text and truths. The same seed gives the same story."""
    s = Story(random.Random(seed))
    r = s.rng
    s.hero("hero")
    (s.person if r.random() < 0.6 else s.hero)("b")
    while s.who["b"].noun == s.who["hero"].noun or s.who["b"].name and s.who["b"].name == s.who["hero"].name:
        s.person("b")
    if r.random() < 0.3:
        s.add("t", "key", s.fresh(W.COLOURS + W.QUALITIES))
        s.add("d", "door", s.fresh(["old"] * 12 + W.QUALITIES))
    else:
        s.thing("t")
        s.add("d", s.fresh(W.OPENINGS), s.fresh(W.QUALITIES))
    s.add("holder", s.fresh(W.HOLDERS), s.fresh(W.QUALITIES + W.COLOURS))
    s.add("room", s.fresh(W.ROOMS), None).known = True
    home, place = s.fresh(W.PLACES), s.fresh(W.PLACES)
    s.add("home", home, s.fresh(W.QUALITIES), name=None)
    s.add("place", place, s.fresh(W.QUALITIES), name=W.made_up_name(r) if r.random() < 0.5 else None)
    if r.random() < 0.12:                       # some stories begin in the middle
        agreement(s)
    elif r.random() < 0.3:
        weather(s)
    if r.random() < 0.12:
        because(s, "hero", "t", "d")
    if s.who["hero"].name or r.random() < 0.7:
        introduce(s, "hero")
    if s.who["b"].name:
        s.say("{hero} {hero!had} a friend, {b.a} called {b.name}.", "one day {hero} {hero!met} {b.a} named {b.name}.",
              "next door lived {b.a} whose name was {b.name}.")
    elif r.random() < 0.6:
        s.say("{hero} {hero!lived} with {b.a}.", "one day {hero} {hero!met} {b.a}.", "near {room} {hero} {hero!saw} {b.a}.")
    if s.who["place"].name:
        s.say("far away was {place.a} called {place.name}.", "everybody talked about {place.a}, which was called {place.name}.",
              f"{{b}} {{b!came}} from {{place.a}} named {{place.name}}.")
    kind = None
    if r.random() < 0.55:
        kind, s.fixed["f"] = fixed_text(s)
        s.fixed["f"] = s.fixed["f"][0].upper() + s.fixed["f"][1:]
    scenes = [lambda: habit(s, "hero"), lambda: agreement(s), lambda: agreement(s), lambda: because(s, "hero", "t", "d"),
              lambda: because(s, "hero", "t", "d"), lambda: handle(s, "hero", "t"), lambda: handle(s, "b", "t"),
              lambda: travel(s, "hero", "place"), lambda: feeling(s, r.choice(["hero", "b"])), lambda: talk(s, "hero", "b"),
              lambda: talk(s, "b", "hero"), lambda: aside(s, "hero"), lambda: at_the_door(s, "hero", "d"),
              lambda: travel(s, "b", "place"), weather.__get__(s)]
    chosen = r.sample(scenes, r.randint(2, 9))
    told = sorted(r.sample(range(len(chosen) + 1), min(2, len(chosen) + 1))) if kind else []
    if kind and r.random() < 0.4:
        told.append(len(chosen))
    for i, scene in enumerate(chosen + [None]):
        for n, at in enumerate(told):
            if at == i:
                tell_fixed(s, kind, "hero", first=n == 0)
        if scene:
            scene()
        if r.random() < 0.08:
            s.text += "\n"
    s.maybe(0.5, "so {hero} {hero!returned} to {home.the}.", "then {hero} {hero!went} back to {place}.")
    if r.random() < 0.6:
        ending(s, "hero")
    s.text = s.text.rstrip()
    return s


def story(seed):
    s = tell_story(seed)
    return {"text": s.text, "truths": s.truths}


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("n", type=int, nargs="?", default=3)
    ap.add_argument("--seed", default="demo")
    args = ap.parse_args()
    for i in range(args.n):
        one = story(f"{args.seed}/{i}")
        print(one["text"], "\n")
        for t in one["truths"]:
            a, b = t["from"], t["to"]
            print(f"   {t['kind']:10} {one['text'][a[0]:a[1]]!r} -> {one['text'][b[0]:b[1]]!r}")
        print()

"""Is this the same reminder in other words? Pure; no database."""

import re
from functools import lru_cache

WORD = re.compile(r"[^\W_]+")
LEAST = 3

STOP_WORDS = frozenset(
    """
    the and for that this with you your are was were have has had not but from they his her its our their will
    would can could should about into over after before then than there here what when where who how why all any
    some just please don does did been being also more most very
    el la los las una uno unos unas del que con por para como pero sus les esta este esto estos estas eso esa ese
    son fue era ser hay muy más sin sobre también desde hasta cuando donde quien porque todo todos nos mis tus
    uma uns umas dos das nos nas não com por para como mas seu sua seus suas este esta isto isso esse essa são foi
    era ser está mais muito sem sobre também desde até quando onde quem porque todo todos meu minha pelo pela
    les des une dans que qui pour pas sur avec est sont était être ont mais vous nous ils elle elles leur leurs son
    ses mes tes aux par plus très sans cette ces cet tout tous quand comme donc alors aussi chez
    der die das den dem des ein eine einen einem einer eines und oder aber nicht mit von für auf ist sind war waren
    sein seine ihre ihr ich sie wir mir dir uns euch auch noch nur schon sehr bei nach aus über unter zum zur dass
    wenn wie was wer als bitte
    gli una uno del della dello dei degli delle che con per non come sono era essere hai hanno più molto senza sopra
    anche dal dalla nel nella sul sulla questo questa quello quella mio mia tuo tua suo sua loro quando dove chi
    het een van voor met niet dat die deze dit zijn was waren hebben heeft had maar ook nog naar over uit door bij
    als wat wie waar hoe mijn jouw haar hun ons onze alle heel zeer meer
    это как что для или его она они был была было были быть есть нет все всё так уже при под над без между если
    когда где кто мой моя твой наш ваш мне тебе нам вам меня тебя нас вас тоже только ещё еще очень
    """.split()
)
REPEAT_WORDS = frozenset(
    """
    once daily weekdays weekly monthly yearly every each day week month year
    diario diariamente semanal mensual anual cada día dia semana mes año
    diário semanalmente mensal todo mês ano
    quotidien hebdomadaire mensuel annuel chaque jour semaine mois année
    täglich werktags wöchentlich monatlich jährlich jeden jede jedes tag woche monat jahr
    giornaliero settimanale mensile annuale ogni giorno settimana mese anno
    dagelijks wekelijks maandelijks jaarlijks elke elk dag week maand jaar
    ежедневно еженедельно ежемесячно ежегодно каждый каждую каждое день неделю месяц год
    """.split()
)
INSIGNIFICANT = STOP_WORDS | REPEAT_WORDS


@lru_cache(maxsize=16_384)
def significant_words(description: str) -> frozenset[str]:
    """The words that tell one reminder from another: three letters or more, no stop words, no repeat words."""
    words = {word for word in WORD.findall(description.lower()) if len(word) >= LEAST}
    return frozenset(words - INSIGNIFICANT)


def similar(one: str, other: str) -> bool:
    """Whether at least half of the smaller description's significant words stand in the other.

    Both need three significant words or more; fewer say too little to judge by.
    """
    first, second = significant_words(one), significant_words(other)
    smaller = min(len(first), len(second))
    return smaller >= LEAST and 2 * len(first & second) >= smaller

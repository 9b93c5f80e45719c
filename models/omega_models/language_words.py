"""What tells eight languages apart without a library: frequent words, letters, beginnings and endings. Pure."""

LANGUAGES = {
    "en": "English",
    "es": "Spanish",
    "pt": "Portuguese",
    "fr": "French",
    "de": "German",
    "it": "Italian",
    "nl": "Dutch",
    "ru": "Russian",
}

FREQUENT = {
    "en": """the and of to in is you that it he was for on are with as his they be at this have from or had by not
        but what all were we when your can said there use an each which she do how their if will up other about out
        many then them these so some her would make like him into time has look two more write go see number no way
        could people my than first been call who its now find long down day did get come made may i'm don't i've
        me am please thanks thank hello hi good morning tonight tomorrow yesterday today what's it's let's where why
        should turn off open close set start stop cancel want need know think really very just here our us over
        doesn't isn't didn't can't won't that's she's he's we're they're you're i'll never always much still off
        again every something anything nothing because before after left minutes hours remind""",
    "es": """el la los las de que y en un una por con no su para es al lo como más o pero sus le ha me si sin sobre
        este ya entre cuando todo esta ser son dos también fue había era muy años hasta desde está mi porque qué sólo
        han yo hay vez puede todos así nos ni parte tiene él uno donde bien tiempo mismo ese ahora cada vida otro
        después te otros aunque esa eso hace otra gobierno tan durante siempre día tanto ella sí hola gracias buenos
        buenas días tardes noches quiero quiere tengo tienes está estoy estás estaba soy eres somos cómo dónde cuándo
        quién mañana ayer hoy favor enciende apaga abre cierra luz luces del mucho poco nada algo nunca aquí allí
        usted ustedes nosotros ellos ellas mis tus tu tú hacer decir ir ver dar saber creo pienso puedo casa pon
        necesito gusta minutos horas""",
    "pt": """o a os as de que e do da em um para é com não uma no se na por mais dos como mas foi ao ele das tem à
        seu sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era depois sem mesmo aos
        ter seus quem nas me esse eles estão você tinha foram essa num nem suas meu às minha têm numa pelos elas
        havia seja qual será nós tenho lhe deles essas esses pelas este fosse dele tu te vocês vos lhes meus minhas
        olá oi obrigado obrigada bom boa dia tarde noite amanhã ontem hoje quero quer gosto fazer estou estava sou
        somos são onde porque então agora aqui ali nunca sempre nada tudo algo casa favor ligue desligue liga desliga
        abre abra fecha feche acende apaga luz luzes preciso posso pode vou vai vamos disse acho meia minutos horas
        muita muitos todo todos toda fez faz ainda bem""",
    "fr": """de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec ils
        son aux d'un cette mais comme on tout nous sa fait été aussi leur bien peut ces y deux ans encore elle je tu
        vous me te mon ma mes ton ta tes notre votre leurs très sans même où si là quand quoi comment pourquoi ça
        c'est j'ai n'est qu'il d'une l'on qu'on s'il n'a était avait être avoir faire dit dire aller voir suis es
        sommes êtes bonjour bonsoir salut merci s'il plaît demain hier aujourd'hui maintenant toujours jamais rien
        quelque chose beaucoup peu trop veux veut voudrais peux peut dois doit va vais vas allons aime allume éteins
        éteindre allumer ouvre ouvrir ferme fermer lumière lumières chambre cuisine mets arrête moi toi lui eux chez
        cet ceux celle oui non minutes heures ont""",
    "de": """der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus
        er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor
        zur bis mehr durch man sein wurde sei ich du wir ihr mich mir dich dir uns euch ihm ihn ihnen mein meine
        meinen dein deine sein seine ihre unser kein keine bin bist seid habe hast hatte kann kannst können muss
        musst müssen will willst wollen soll sollte möchte machen mach mache gehen geht gut danke bitte hallo guten
        morgen tag abend nacht heute gestern jetzt immer nie nichts etwas viel viele sehr schon hier dort wo wann
        warum was wer wenn weil denn doch mal ja nein schalte schalten einschalten ausschalten licht öffne öffnen
        schließe stelle stell ein alle alles keinen wieder ganz gibt weiß minuten stunden uhr spiel starte stoppe
        stopp""",
    "it": """di e il la che in un a per è una sono con non si da le come i della del ma al lo più anche ha alla nel
        dei gli mi se o su io questo quello ti ci ne cosa perché quando molto tutto bene essere era delle degli nella
        dal dalla sul sulla ai alle questa quella questi quelli mio mia tuo tua suo sua nostro vostro loro lui lei
        noi voi chi dove come quanto quale sei siamo siete hai abbiamo avete hanno ho aveva erano stato stata fare
        fatto dire detto andare vai va vado vuoi voglio vuole posso puoi può devo devi deve ciao grazie buongiorno
        buonasera prego domani ieri oggi adesso ora sempre mai niente nulla qualcosa poco troppo tanto qui qua lì là
        così già ancora dopo prima senza accendi spegni apri chiudi luce luci metti imposta avvia ferma c'è dell'
        all' un' l'ha po' casa piace sì minuti ore tutti""",
    "nl": """de van het een en in is dat op te zijn met voor niet die er aan om ook als dan maar bij nog uit door
        over ze je hij naar heeft hebben wordt werd was waren worden kan kunnen zou zal zullen moet moeten wil willen
        mag ik jij wij jullie mij me hem haar ons hun mijn jouw uw onze deze dit daar hier waar wat wie wanneer
        waarom hoe heb hebt had ben bent doe doet doen ga gaat gaan kom komt komen zie zeggen zegt weet denk denken
        goed goede goedemorgen dag hallo hoi dank bedankt alsjeblieft morgen gisteren vandaag nu altijd nooit niets
        iets veel weinig heel erg al geen nee ja zet doe aan uit licht lichten lamp open sluit graag even weer toch
        wel dus want omdat toen meer alle alles zo mensen tijd jaar huis minuten uur start zijn haar zonder tegen
        onder tussen hadden konden gewoon""",
    "ru": """и в не на я быть он с что а по это она этот к но они мы весь который из у то за свой ты""",
}

LETTERS = {  # that stand in few of the eight, or one
    "es": "ñ¿¡",
    "pt": "ãõ",
    "fr": "œêëûîç",
    "de": "ßäöü",
    "it": "ìò",
    "nl": "",
    "en": "",
}

PIECES = {  # of words, with their ends marked
    "en": "th wh ing_ ght _the _wh sh tion_ ly_ ed_ ck ow ould ea ness_ _un y_ _kn ee ful_ oo _sh",
    "es": "ción_ ado_ ando_ iendo_ _est ar_ os_ ía_ as_ idad_ ll ue_ ción ero_ amos_ ita_ ito_ ón_ ñ _h _pued ie _mu",
    "pt": "ção_ ções_ ão_ nh lh _est ar_ ando_ endo_ indo_ ei_ ou_ agem_ dade_ eira_ eiro_ õe ô ê _vo em_ am_ inho_ m_",
    "fr": "tion_ eau eux_ aux_ ez_ é_ ée_ ou eur_ ment_ ai _qu oi _j' _l' _d' _c' _n' _s' _qu' ais_ ait_ ir_ er_ ette_ è",
    "de": "sch ch ung_ en_ ei ie_ _ge _ver _be er_ cht ä ö ü heit_ keit_ lich_ tz _zu ck _ein pf _auf _aus st_ ieren_ t_",
    "it": "zione_ zioni_ ato_ ando_ endo_ gli cch zz _sc tt i_ o_ mente_ are_ ere_ ire_ tà_ ù_ ell _un' _l' _dell' ghi ia_ gg",
    "nl": "ij oe aa ee oo uu ui _ge _ver _be en_ sch cht heid_ lijk_ tje_ tjes_ eeu _het ieuw aar_ _zo vv _v _z zij ijn eel",
}

OTHERS = frozenset("łżźćśąęńşğıőűčřšžťďňůåæøđžșțāēīūķļģņėįųþðіїєґћђљњџјўөүҷқғһәң")

EVERYWHERE = frozenset(  # words that everybody uses, and sounds
    """ok okay okey oke oki lol haha hahaha jaja jajaja hehe hmm hm mmm wow yeah yep yes no nope bye ciao hey hi xd
    omg wtf asap pizza taxi hotel email mail internet online app bot chat test video foto photo radio bar stop
    whatsapp telegram facebook google amazon iphone android pdf url http https www com html json sql id pin sms
    k kk thx ty np pls plz ups oops ah oh uh um eh aha bravo super top pro info link wifi tv pc""".split()
)

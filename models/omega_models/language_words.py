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
    "en": """the and of to in is you that it he was for on are with as his they be at this have from or had by not but
        what all were we when your can said there use an each which she do how their if will up other about out many
        then them these so some her would make like him into time has look two more write go see number no way could
        people my than first been call who its now find long down day did get come made may i'm don't i've me am
        please thanks thank hello hi good morning tonight tomorrow yesterday today what's it's let's where why
        should turn off open close set start stop cancel want need know think really very just here our us over
        doesn't isn't didn't can't won't that's she's he's we're they're you're i'll never always much still again
        every something anything nothing because before after left minutes hours remind ask asked become began
        believe bought bring brought buy came change children city country doing door eat family feel few food found
        friend friends gave getting give goes going happy hear heard help hope house keep knew later learn let life
        listen live lived looking lost love might money month mother must name night old once place play question
        read right room saw say school seen send show sleep someone son soon speak story study such sure talk tell
        thing things thought together told took town try understand used wait walk wanted watch water week went
        while without woman word work wrong year years yet young himself whom whose kitchen bedroom light lights
        next weather asks likes wants happened having being i""",
    "es": """el la los las de que y en un una por con no su para es al lo como más o pero sus le ha me si sin sobre este
        ya entre cuando todo esta ser son dos también fue había era muy años hasta desde está mi porque qué sólo han
        yo hay vez puede todos así nos ni parte tiene él uno donde bien tiempo mismo ese ahora cada vida otro
        después te otros aunque esa eso hace otra gobierno tan durante siempre día tanto ella sí hola gracias buenos
        buenas días tardes noches quiero quiere tengo tienes estoy estás estaba soy eres somos cómo dónde cuándo
        quién mañana ayer hoy favor enciende apaga abre cierra luz luces del mucho poco nada algo nunca aquí allí
        usted ustedes nosotros ellos ellas mis tus tu tú hacer decir ir ver dar saber creo pienso puedo casa pon
        necesito gusta minutos horas abrir amigo amiga amigos aprender ayudar beber buscar caer calle cambiar
        caminar cerrar ciudad cocina comer comenzar comprar conocer contar contigo conmigo correr creer cuenta deber
        dejar dinero dormir empezar encontrar entender entrar escribir escuchar esperar estudiar feliz ganar gente
        hablar hijo hija hombre hora jugar leer libro llamar llegar llevar luego madre mujer mundo nombre noche
        nueva nuevo padre pagar parece pasar pedir pensar perder perro poner pregunta primero problema puerta quedar
        recordar salir semana sentir siguiente sube baja subir bajar tomar trabajar trabajo traer último vender
        venir verdad vivir volver vuelta mejor gran grande iglesia algún alguien cualquier todavía aún además verlo
        hacerlo decirle gustaría podría debería tenía hizo dijo fui fuimos vamos vas voy""",
    "pt": """o a os as de que e do da em um para é com não uma no se na por mais dos como mas foi ao ele das tem à seu
        sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era depois sem mesmo aos
        ter seus quem nas me esse eles estão você tinha foram essa num nem suas meu às minha têm numa pelos elas
        havia seja qual será nós tenho lhe deles essas esses pelas este fosse dele tu te vocês vos lhes meus minhas
        olá oi obrigado obrigada bom boa dia tarde noite amanhã ontem hoje quero quer gosto fazer estou estava sou
        somos são onde porque então agora aqui ali nunca sempre nada tudo algo casa favor ligue desligue liga
        desliga abre abra fecha feche acende apaga luz luzes preciso posso pode vou vai vamos disse acho meia
        minutos horas muita muitos todo todos toda fez faz ainda bem abrir ajudar alguém alguma algum amigo amiga
        amigos aprender beber cabeça cada caminho cidade coisa coisas começar começou comer comprar conhecer
        conseguir continuar correr cozinha criança dar deixar depressa dever devia dinheiro dizer dormir encontrar
        ensinar entender entrar escrever escutar esperar esquecer estudar falar fechar feliz ficar filho filha fui
        ganhar gente gostaria homem hora ir jogar jogo juntos lembrar ler levar livro mãe mandar melhor mesma mulher
        mundo música nenhum ninguém nome nova novo olhar outra outro outros ouvir pagar pai parar parece passar
        pedir pensar perder pergunta perguntar perto poder pôr porta pouco primeiro procurar próxima próximo
        qualquer quarto querer rua saber sair seguinte semana sentir tempo tirar tocar tomar trabalhar trabalho
        último usar vender ver verdade vez vida vir viver volta voltar aumentar baixar estás estavam estávamos
        éramos""",
    "fr": """de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec ils son
        aux d'un cette mais comme on tout nous sa fait été aussi leur bien peut ces y deux ans encore elle je tu
        vous me te mon ma mes ton ta tes notre votre leurs très sans même où si là quand quoi comment pourquoi ça
        c'est j'ai n'est qu'il d'une l'on qu'on s'il n'a était avait être avoir faire dit dire aller voir suis es
        sommes êtes bonjour bonsoir salut merci plaît demain hier aujourd'hui maintenant toujours jamais rien
        quelque chose beaucoup peu trop veux veut voudrais peux dois doit va vais vas allons aime allume éteins
        éteindre allumer ouvre ouvrir ferme fermer lumière lumières chambre cuisine mets arrête moi toi lui eux chez
        cet ceux celle oui non minutes heures ont acheter aider ami amie amis apprendre arriver attendre aucun autre
        autres avant besoin boire bon bonne bouteille ceci cela chaque chercher cherche chien comprendre connaître
        croire depuis dernier dormir eau écouter écrire école enfant enfants entendre entrer essayer femme fille
        fils fois garçon gens grand grande heure heureux homme ici jouer jour jours journée langue laisser lire
        livre loin main maison manger matin mettre monde monter mois mort nom nouveau nouvelle nuit nuits oublier
        ouvert parce parler partir passer payer penser perdre père mère personne petit petite place plaisir pleut
        porte pouvoir premier prendre prochain prochaine quelqu'un question regarder rendre reste rester rue savoir
        semaine sentir seul soir sortir souvent temps tomber travail travailler trouver vendre venir ville vie vivre
        voiture volume baisse monte suivant suivante faut aurait serait""",
    "de": """der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er
        hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur
        bis mehr durch man sein wurde sei ich du wir ihr mich mir dich dir uns euch ihm ihn ihnen mein meine meinen
        dein deine seine ihre unser kein keine bin bist seid habe hast hatte kann kannst können muss musst müssen
        will willst wollen soll sollte möchte machen mach mache gehen geht gut danke bitte hallo guten morgen tag
        abend nacht heute gestern jetzt immer nie nichts etwas viel viele sehr schon hier dort wo wann warum was wer
        wenn weil denn doch mal ja nein schalte schalten einschalten ausschalten licht öffne öffnen schließe stelle
        stell alle alles keinen wieder ganz gibt weiß minuten stunden uhr spiel starte stoppe stopp anderen anfangen
        arbeit arbeiten auto bald bekommen besser bleiben brauche brauchen bringen buch dann darf davon dazu deshalb
        deutsch drei dürfen eben einfach einmal eltern ende endlich erst erste essen fahren finden finde frage
        fragen frau freund freunde freundin früh fünf fenster ganze geld genug gerade gern gesagt gestellt gewesen
        glaube glauben gleich glücklich groß große haus halten heißt helfen hören hund jahr jahre jeden jeder jemand
        junge kaufen kennen kind kinder kommen kommt küche könnte könnten lang lange lassen laufen laut leben leider
        leise lernen lesen letzte leute liebe liegen links rechts machst mann mutter vater müde nächste nehmen neu
        neue nächsten oft paar platz reden regnet rufen sagen sagte sagt schlafen schlecht schnell schreiben schule
        sehen selbst sicher sitzen sofort spielen spät sprechen stadt stehen stunde stück suchen tun tür trinken
        verkaufen verstehen versuchen vielleicht vorne warten wasser weg weiter welche welt wenig wetter wirklich
        wissen woche wohnen wohnzimmer schlafzimmer wollte wort würde zeigen zeit zimmer zurück zusammen zwei
        zwischen herunter hoch runter""",
    "it": """di e il la che in un a per è una sono con non si da le come i della del ma al lo più anche ha alla nel dei
        gli mi se o su io questo quello ti ci ne cosa perché quando molto tutto bene essere era delle degli nella
        dal dalla sul sulla ai alle questa quella questi quelli mio mia tuo tua suo sua nostro vostro loro lui lei
        noi voi chi dove quanto quale sei siamo siete hai abbiamo avete hanno ho aveva erano stato stata fare fatto
        dire detto andare vai va vado vuoi voglio vuole posso puoi può devo devi deve ciao grazie buongiorno
        buonasera prego domani ieri oggi adesso ora sempre mai niente nulla qualcosa poco troppo tanto qui qua lì là
        così già ancora dopo prima senza accendi spegni apri chiudi luce luci metti imposta avvia ferma c'è dell'
        all' un' l'ha po' casa piace sì minuti ore tutti aiutare alcuni alcune allora altra altri altro amica amici
        amico andiamo anno aprire arrivare ascoltare aspettare avere avevo bella bello bevere bere bisogno cambiare
        camera cane canzone capire cercare certo chiamare chiedere chiudere ciascuno città comprare conoscere
        credere credo cucina dare davvero dentro dica diventare domanda donna dormire dovere dovrebbe ecco entrare
        esempio famiglia felice figlia figlio fine finire fuori gente giorno giocare giovane giù grande imparare
        infatti insieme invece lasciare lavorare lavoro leggere lettera libro lontano luogo madre mangiare mano
        mattina meglio mentre mese mettere mondo morire musica nessuno nome notte nuova nuovo ogni ognuno padre
        pagare parlare parola parte partire passare pensare pensato perdere persona piacere piccolo piove porta
        portare potere potrebbe prendere presto primo problema proprio prossima prossimo qualche qualcuno ragazza
        ragazzo restare ricordare rimanere rispondere sapere scrivere scuola secondo sembra sembrava sentire sera
        settimana solo sta stanno stare stanza stesso strada studiare subito tempo tornare trovare ultima ultimo
        uomo usare uscire vedere vendere venire vero verso via vita vivere volere volta vorrei stai sto""",
    "nl": """de van het een en in is dat op te zijn met voor niet die er aan om ook als dan maar bij nog uit door over ze
        je hij naar heeft hebben wordt werd was waren worden kan kunnen zou zal zullen moet moeten wil willen mag ik
        jij wij jullie mij me hem haar ons hun mijn jouw uw onze deze dit daar hier waar wat wie wanneer waarom hoe
        heb hebt had ben bent doe doet doen ga gaat gaan kom komt komen zie zeggen zegt weet denk denken goed goede
        goedemorgen dag hallo hoi dank bedankt alsjeblieft morgen gisteren vandaag nu altijd nooit niets iets veel
        weinig heel erg al geen nee ja zet licht lichten lamp open sluit graag even weer toch wel dus want omdat
        toen meer alle alles zo mensen tijd jaar huis minuten uur start zonder tegen onder tussen hadden konden
        gewoon achter afgelopen alleen allemaal alsof ander andere anders avond begin beginnen begrijp begrijpen
        beter betalen bijna binnen blijven blijft boek bijvoorbeeld brengen buiten daarom dacht deed deel denkt deur
        dicht dingen drie drinken duidelijk echt eens eerst eerste eigen eigenlijk elke enige ervan eten fiets fout
        geef geven geeft gegeven gehad geld gelukkig genoeg geweest gezegd gezien ging groot grote hand helpen hele
        help hond hoofd horen houden iedereen iemand ieder inderdaad jaren jezelf jongen kamer keer keuken kind
        kinderen klaar klein kleine kopen kreeg krijgen kwam kwijt laat laatste lang lange laten leren leven leuk
        lezen liever lopen maak maakt maken man mannen meisje minder misschien mocht moeder moeilijk moest mogen
        mooi naam naast nacht natuurlijk nemen nieuw nieuwe niemand nodig nummer ofzo ongeveer ooit ouders paar
        plaats praten precies probeer raam regent rijden samen schrijven school slaap slapen slaapkamer woonkamer
        slecht snel soms spelen spreken staan staat stad steeds stond straat tafel thuis toe twee vaak vader
        vanavond vanmorgen ver verder vergeten vertellen vinden vind vijf volgens vorige vraag vragen vriend
        vrienden vrouw waarschijnlijk wachten water week weg weken werk werken werkt wist woord wonen zee zei zelf
        zich zien ziet zitten zoals zoeken omhoog omlaag""",
    "ru": """и в во не на я быть он она оно они с со что а по это эта этот эти к ко но мы весь вся всё все который
        которая из у то за свой ты вы о об от для до при без под над через между про или если когда где куда откуда
        почему зачем как какой какая какое какие кто чей сколько тут там здесь сейчас теперь потом уже ещё еще
        только тоже также даже очень так такой надо нужно можно нельзя должен должна хочу хочешь хочет хотел хотела
        могу можешь может мог могла знаю знаешь знает думаю думает сказал сказала говорит говорить делать сделать
        делает идти иду идёт пойдём поехали пришёл пришла есть был была было были буду будет будут нет да ли же бы
        мне меня мной тебе тебя нам нас вам вас ему его ей её им их мой моя моё мои твой твоя наш наша ваш себя себе
        сам сама кого чего ничего никто никогда всегда иногда часто сегодня завтра вчера утром вечером днём ночью
        день дня дней ночь утро вечер час часа часов минут минуту минуты неделю неделе месяц год года лет раз время
        времени дом дома домой работа работу работать школа деньги люди человек друг друзья мама мать отец брат
        сестра жена муж сын дочь дети ребёнок хорошо плохо хороший новый новая большой маленький лучше больше меньше
        много мало несколько спасибо пожалуйста привет здравствуйте доброе добрый извините включи выключи включить
        выключить открой закрой поставь останови свет громче тише музыку погода напомни купить дай дайте скажи
        покажи помоги люблю любит нравится жить живу живёт спать пить читать писать книга книгу слово друга два две
        три первый последний другой другая после перед потому чтобы хотя пока вот ну просто правда знать видел
        видела вижу смотри давай пусть вода воды город улица машина дверь окно комната кухня собака кошка""",
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

OF_NAMES = frozenset(  # what stands between the parts of a name
    "al am an bin d' da dal das de del della den der des di do dos du e el het in ibn la las le les los of on op"
    " saint san santa st sur ten ter the und upon van vom von y zu zum zur и".split()
)

EVERYWHERE = frozenset(  # words that everybody uses, and sounds
    """ok okay okey oke oki lol haha hahaha jaja jajaja hehe hmm hm mmm wow yeah yep yes no nope bye ciao hey hi xd
    omg wtf asap pizza taxi hotel email mail internet online app bot chat test video foto photo radio bar stop
    whatsapp telegram facebook google amazon iphone android pdf url http https www com html json sql id pin sms
    k kk thx ty np pls plz ups oops ah oh uh um eh aha bravo super top pro info link wifi tv pc""".split()
)

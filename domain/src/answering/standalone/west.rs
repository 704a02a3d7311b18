//! The little words of the languages of western Europe.
use super::words::Lists;

pub(super) const EN: Lists = Lists {
    openers: "and or but also so then and_also what_about how_about and_what_about and_how_about same_for the_same_for",
    instead: "what_about how_about and_what_about and_how_about same_for the_same_for",
    pronouns: "it its it's they them their theirs they're he him his she her hers",
    loose: "this that these those one ones that's both either neither",
    pointing: "this that these those such",
    here: "site website shop store page week month year weekend morning afternoon evening time country summer winter company place way",
    empty: "is_it_possible is_it_ok is_it_okay is_it_allowed is_it_true is_it_necessary is_it_required is_it_better_to is_it_safe_to \
            it_is_possible it_possible it_cost_to it_cost_anything_to it_cost_extra_to it_take_to it_take_for it_take_until it_takes_to it_cost_me_to it_mean_to is_it_raining \
            how_is_it_going it_is_not_possible is_it_free_to is_it_worth",
    function: "a an the and or but if so as at by for from in into of on onto off out over per than then there to under up via with \
               without i me my mine you your yours we us our ours who whom whose which what where when why how is are was were be been \
               am do does did done have has had having can could will would shall should may might must get got give gives need needs \
               want wants let please just only any some no not all each every other also too very more most many much still yet \
               about it's i'm i'd i'll i've don't doesn't isn't aren't can't won't there's what's tell me know again exactly really since until anything something nothing \
               actually else ever maybe like come comes go goes mean means make makes happen happens",
    attributes: "long heavy big large tall wide high deep old fast expensive cheap cost costs price prices priced pricing weigh weighs \
                 weight size sizes length width height depth colour color colours colors material materials available stock much many \
                 often far early late soon hot cold last take takes takes fit fits details specs specifications dimensions capacity \
                 different possible included work works worth recommended suitable version versions model models option options",
    comparing: "cheaper smaller bigger larger longer shorter lighter heavier faster slower better best newer older stronger wider narrower \
                higher lower cheapest smallest biggest largest longest shortest lightest heaviest fastest strongest \
                newest latest other others another similar alternative alternatives instead",
    ordinals: "first,1st second,2nd third,3rd fourth,4th fifth,5th last,latter",
    determiners: "a an the my our your his her their any some this that these those another each every",
    prepositions: "for to in on at by with without from of about via during after before per under over into",
    clauses: "if when because after before once until while and but so where unless since that which who whose",
    you: "you your yours you're we us our",
    more: "tell_me_more more_details more_information more_info details_please can_you_explain explain_that please_explain go_on why_not \
           what_do_you_mean any_others how_so for_example such_as like_what more_please can_you_elaborate elaborate give_me_more_details \
           more_about_that",
    prefixes: "",
    copula: false,
};

pub(super) const DE: Lists = Lists {
    openers: "und oder aber auch also und_auch was_ist_mit und_was_ist_mit wie_sieht_es_mit wie_ist_es_mit wie_steht_es_mit und_wie_ist_es_mit \
              und_wie_sieht_es_mit gilt_das_auch gilt_das_auch_für",
    instead: "was_ist_mit und_was_ist_mit wie_sieht_es_mit wie_ist_es_mit wie_steht_es_mit und_wie_ist_es_mit und_wie_sieht_es_mit \
              gilt_das_auch_für",
    pronouns: "er ihn ihm es dessen deren davon dafür damit daran darauf darin dazu dadurch darüber",
    loose: "das die der den dem dies diese dieser dieses diesen diesem eins welche beide beides",
    pointing: "dies diese dieser dieses diesen diesem jene jener jenes solche",
    here: "seite website webseite shop laden geschäft woche monat jahr wochenende morgen abend zeit land sommer winter firma",
    empty: "gibt_es ist_es_möglich es_möglich ist_es_erlaubt es_gibt kostet_es_zu dauert_es_bis wie_geht_es ist_es_wahr geht_es_um \
            hat_es_geöffnet dauert_es_wenn",
    function: "ein eine einen einem einer der die das den dem des und oder aber wenn als auf an am bei beim bis durch für gegen in im ins \
               mit nach ohne über um unter von vom vor zu zum zur ich mich mir mein meine meinen meinem du dein deine sie ihr ihre ihnen \
               ihren wir uns unser unsere wer wen wem wessen welche welcher welches welchen was wo wohin woher wann warum wieso wie ist \
               sind war waren sein bin bist haben habe hat hatte kann können könnte könnten werden wird wurde soll sollte muss müssen darf \
               dürfen möchte will wollen gibt es man sich nicht kein keine keinen nur auch noch schon bitte denn doch mal so sehr mehr viel \
               viele alle jede jeder jedes etwas nochmal eigentlich überhaupt genau dann da dort hier machen macht tun brauche braucht \
               bekomme bekommt geht gehen kommt gilt",
    attributes: "lang lange schwer groß gross hoch breit tief alt schnell teuer billig günstig kostet kosten preis preise wiegt gewicht größe \
                 größen länge breite höhe farbe farben material verfügbar lieferbar lager viel oft weit früh spät dauert passt maße \
                 varianten modelle möglich enthalten details geeignet",
    comparing: "billiger günstiger kleiner größer grösser länger kürzer leichter schwerer schneller langsamer besser beste besten neuer \
                älter stärker breiter schmaler höher niedriger andere anderer anderes anderen ähnliche ähnliches alternative alternativen \
                billigere billigeres günstigere günstigeres kleinere kleineres größere größeres leichtere leichteres stattdessen",
    ordinals: "erste,ersten,erster,erstes,1 zweite,zweiten,zweiter,zweites,2 dritte,dritten,dritter,drittes vierte,vierten,viertes \
               fünfte,fünften,fünftes letzte,letzten,letztes",
    determiners: "ein eine einen einem einer der die das den dem des mein meine meinen meinem unser unsere ihr ihre dieser diese dieses",
    prepositions: "für in im nach mit ohne bei beim von vom zu zum zur auf am an aus ab bis per um über unter während",
    clauses: "wenn falls weil nachdem bevor und aber ob dass damit",
    you: "ihr euch euer eure sie ihnen ihre wir uns unser unsere",
    more: "mehr_dazu mehr_details mehr_informationen mehr_infos erzähl_mehr erzählen_sie_mehr warum_nicht wieso_nicht zum_beispiel \
           was_heißt_das was_bedeutet_das kannst_du_das_erklären können_sie_das_erklären wie_meinen_sie_das genauer_bitte und_weiter",
    prefixes: "",
    copula: false,
};

pub(super) const FR: Lists = Lists {
    openers: "et ou mais aussi alors qu'en_est-il_de",
    instead: "qu'en_est-il_de",
    pronouns: "il elle ils elles celui-ci celle-ci ceux-ci celles-ci celui-là celle-là celui celle ceux celles lui leur ça cela",
    loose: "ce cette ces cet l'un l'autre les_deux",
    pointing: "ce cette ces cet",
    here: "site boutique magasin page semaine mois année week-end matin soir pays été hiver",
    empty: "il_y_a est-il_possible y_a-t-il s'il_vous_plaît faut-il il_faut est-ce_qu'il_y_a est-ce_qu'il_est_possible s'il_te_plaît il_est",
    function: "un une des le la les l' de du d' et ou mais si à au aux en dans sur sous par pour avec sans chez vers entre je j' me moi mon ma mes \
               tu te ton ta tes vous votre vos nous notre nos on se qui que quoi quel quelle quels quelles où quand comment pourquoi combien \
               est sont êtes être était ai as a avez avons ont avoir peux peut pouvez peut-on puis-je pourrais dois doit devez faire fait \
               faites veux voudrais est-ce qu'est-ce c'est y ne pas plus moins très aussi encore bien tout tous toute toutes quelque donc \
               alors svp merci il y-a sont-ils sont-elles est-il est-elle a-t-il a-t-elle existe existe-t-il",
    attributes: "long longue lourd lourde grand grande haut haute large vieux cher chère coûte coûtent coûte-t-il coûte-t-elle prix pèse \
                 pèse-t-il pèse-t-elle poids taille tailles longueur largeur hauteur couleur couleurs matière disponible disponibles stock \
                 dure durée temps dimensions modèles versions possible compris détails",
    comparing: "autre autres petit petite moins_cher meilleur meilleure mieux similaire plus_petit plus_grand",
    ordinals: "premier,première deuxième,second,seconde troisième quatrième cinquième dernier,dernière",
    determiners: "un une des le la les l' mon ma mes notre nos votre vos ce cette ces cet",
    prepositions: "pour à au aux en dans sur par avec sans chez vers de du depuis pendant après avant",
    clauses: "si quand parce lorsque après avant et mais",
    you: "vous votre vos nous notre nos tu ton ta tes",
    more: "dites-m'en_plus plus_de_détails plus_d'informations pourquoi_pas par_exemple c'est-à-dire pouvez-vous_expliquer",
    prefixes: "",
    copula: false,
};

pub(super) const ES: Lists = Lists {
    openers: "y o pero también entonces qué_hay_de y_qué_hay_de qué_pasa_con y_qué_pasa_con",
    instead: "qué_hay_de y_qué_hay_de qué_pasa_con y_qué_pasa_con",
    pronouns: "él ella ellos ellas ello eso esto devolverlo devolverla comprarlo comprarla cambiarlo cambiarla lavarlo lavarla usarlo usarla \
               probarlo probarla pedirlo pedirla recogerlo cancelarlo",
    loose: "lo la los las este esta estos estas ese esa esos esas uno una ambos",
    pointing: "este esta estos estas ese esa esos esas",
    here: "sitio página web tienda semana mes año fin mañana tarde país verano invierno",
    empty: "es_posible hay",
    function: "un una unos unas el la los las lo de del y o pero si a al en con sin por para sobre desde hasta entre yo me mi mis tú te tu tus \
               usted ustedes su sus nosotros nuestro nuestra quién quien qué que cuál cuáles cómo como cuándo cuando dónde donde cuánto \
               cuánta cuántos cuántas cuanto cuanta por_qué es son está están ser estar era fue he ha han hay tiene tienen tengo tener \
               puedo puede pueden podría debo debe hacer hace se no más muy también todo todos toda todas algo otra_vez favor sí ya",
    attributes: "largo larga pesado pesada grande alto alta ancho ancha caro cara barato cuesta cuestan precio precios pesa pesan peso talla \
                 tallas tamaño color colores material disponible disponibles stock mide miden dura tarda tardan medidas modelos versiones \
                 posible incluido detalles vale valen",
    comparing: "otro otra otros otras barata pequeño pequeña mejor peor similar parecido parecida",
    ordinals: "primero,primera,primer segundo,segunda tercero,tercera,tercer cuarto,cuarta quinto,quinta último,última",
    determiners: "un una unos unas el la los las mi mis su sus nuestro nuestra este esta estos estas",
    prepositions: "para a al en con sin por de del desde hasta sobre durante",
    clauses: "si cuando porque después antes y pero",
    you: "usted ustedes tú vosotros nosotros nuestro nuestra tenéis tienen hacen",
    more: "cuéntame_más más_detalles más_información por_qué_no por_ejemplo puede_explicarlo puedes_explicarlo explícame_más",
    prefixes: "",
    copula: false,
};

pub(super) const IT: Lists = Lists {
    openers: "e o ma anche allora che_ne_dici_di invece",
    instead: "",
    pronouns: "esso essa essi esse lui lei ciò questo_qui quello questi quelli quelle restituirlo restituirla comprarlo comprarla cambiarlo \
               cambiarla lavarlo lavarla usarlo usarla provarlo provarla annullarlo",
    loose: "lo la li le ne questo questa queste quella uno una entrambi",
    pointing: "questo questa questi queste quel quello quella quelli quelle",
    here: "sito pagina negozio settimana mese anno fine mattina sera paese estate inverno",
    empty: "è_possibile c'è ci_sono",
    function: "un uno una il lo la i gli le l' di del dello della dei degli delle e o ma se a al allo alla ai alle in nel nella con senza per su \
               sul da dal dalla tra fra io mi mio mia miei tu ti tuo tua voi vi vostro vostra lei suo sua noi ci nostro nostra chi che cosa \
               quale quali come quando dove perché quanto quanta quanti quante è sono essere era ho ha hai hanno avete avere posso può \
               possono potrei devo deve fare fa si non più molto anche tutto tutti qualche c'è per_favore ancora sì già",
    attributes: "lungo lunga pesante grande alto alta largo larga caro cara economico costa costano prezzo prezzi pesa pesano peso taglia \
                 taglie misura misure colore colori materiale disponibile disponibili dura durano ci_vuole dimensioni modelli versioni \
                 possibile incluso dettagli vale",
    comparing: "altro altra altri altre piccolo piccola migliore meglio simile simili",
    ordinals: "primo,prima secondo,seconda terzo,terza quarto,quarta quinto,quinta ultimo,ultima",
    determiners: "un uno una il lo la i gli le l' mio mia nostro nostra vostro vostra questo questa questi queste",
    prepositions: "per a al alla in nel nella con senza di del della da dal su sul durante dopo prima",
    clauses: "se quando perché dopo prima e ma",
    you: "voi vostro vostra vostri avete siete fate noi nostro nostra",
    more: "dimmi_di_più più_dettagli più_informazioni perché_no per_esempio ad_esempio può_spiegare puoi_spiegare",
    prefixes: "",
    copula: false,
};

pub(super) const NL: Lists = Lists {
    openers: "en of maar ook dus en_ook hoe_zit_het_met en_hoe_zit_het_met wat_met en_wat_met geldt_dat_ook_voor",
    instead: "hoe_zit_het_met en_hoe_zit_het_met wat_met en_wat_met geldt_dat_ook_voor",
    pronouns: "hij hem zij ze hen hun ervan ermee erop erin ervoor daarvan daarmee daarvoor daarop daarin hiervan hiermee hiervoor",
    loose: "het die dat deze dit er haar beide welke",
    pointing: "deze dit die dat",
    here: "site website winkel webshop pagina week maand jaar weekend ochtend avond land zomer winter",
    empty: "is_het_mogelijk het_mogelijk hoe_gaat_het is_het_toegestaan hoe_zit_het het_kost_om duurt_het_om duurt_het_voordat kost_het_om \
            is_er zijn_er",
    function: "een de het en of maar als op aan bij door voor in met naar zonder over om onder van tot uit te ik me mij mijn je jij jou jouw jullie \
               u uw we wij ons onze wie wiens welke welk wat waar wanneer waarom hoe hoeveel is zijn was waren ben bent heb heeft hebben \
               hebt had kan kunnen kunt zou zal zult wordt worden moet moeten mag mogen wil willen er men zich niet geen ook nog al alleen \
               dan daar hier zo heel erg meer veel alle elk elke iets graag doen doet krijg krijgt gaat gaan komt",
    attributes: "lang zwaar groot hoog breed diep oud snel duur goedkoop kost kosten prijs prijzen weegt gewicht maat maten lengte breedte \
                 hoogte kleur kleuren materiaal beschikbaar leverbaar voorraad vaak ver vroeg laat duurt past afmetingen modellen \
                 mogelijk inbegrepen details geschikt hoelang",
    comparing: "goedkoper kleiner groter langer korter lichter zwaarder sneller beter beste nieuwer andere ander anders soortgelijk vergelijkbaar \
                alternatief goedkopere kleinere grotere lichtere",
    ordinals: "eerste tweede derde vierde vijfde laatste",
    determiners: "een de het mijn onze ons jullie uw deze dit die dat",
    prepositions: "voor naar in met zonder bij van op aan uit tot per om over tijdens na",
    clauses: "als wanneer omdat nadat voordat en maar of dat",
    you: "jullie u uw we wij ons onze je jij",
    more: "vertel_meer meer_details meer_informatie meer_info waarom_niet bijvoorbeeld kunt_u_dat_uitleggen kun_je_dat_uitleggen",
    prefixes: "",
    copula: false,
};

pub(super) const PT: Lists = Lists {
    openers: "e ou mas também então e_quanto_a",
    instead: "e_quanto_a",
    pronouns: "ele ela eles elas isso isto aquilo devolvê-lo devolvê-la comprá-lo comprá-la trocá-lo trocá-la lavá-lo lavá-la usá-lo usá-la dele \
               dela deles delas nele nela disso disto",
    loose: "o a os as este esta estes estas esse essa esses essas um uma ambos",
    pointing: "este esta estes estas esse essa esses essas",
    here: "site página loja semana mês ano fim manhã tarde país verão inverno",
    empty: "é_possível há",
    function: "um uma uns umas o a os as de do da dos das e ou mas se em no na nos nas com sem por para sobre desde até entre eu me meu minha \
               meus minhas tu te teu tua você vocês seu sua seus suas nós nosso nossa quem que qual quais como quando onde quanto quanta \
               quantos quantas porquê porque é são está estão ser estar era foi tem têm tenho ter há posso pode podem poderia devo deve fazer \
               faz se não mais muito também tudo todos toda todas algo favor ainda sim já",
    attributes: "comprido comprida pesado pesada grande alto alta largo larga caro cara barato custa custam preço preços pesa pesam peso tamanho \
                 tamanhos cor cores material disponível disponíveis stock estoque mede medem dura demora medidas modelos versões possível \
                 incluído detalhes vale",
    comparing: "outro outra outros outras barata pequeno pequena melhor pior semelhante parecido parecida",
    ordinals: "primeiro,primeira segundo,segunda terceiro,terceira quarto,quarta quinto,quinta último,última",
    determiners: "um uma uns umas o a os as meu minha nosso nossa seu sua este esta estes estas esse essa",
    prepositions: "para a ao à em no na com sem por de do da desde até sobre durante",
    clauses: "se quando porque depois antes e mas",
    you: "você vocês vosso vossa nós nosso nossa",
    more: "conte-me_mais mais_detalhes mais_informações por_que_não porque_não por_exemplo pode_explicar",
    prefixes: "",
    copula: false,
};

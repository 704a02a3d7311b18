//! Messages that ask nothing of the site: greetings, thanks, questions about the assistant itself, insults, keys struck at random.
//! They are answered kindly and without a search.
//!
//! A message is small talk only if it consists of nothing else. Whatever is left over is a question to the site, however politely
//! it begins: of "hi, what is shipping?" the second part is searched for.
use std::sync::LazyLock;

use super::phrases;
use crate::{
    language::Locale,
    tenancy::{AssistantSettings, Customer},
};

/// What a message is about. Where it is several, the first of this order is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Talk {
    /// "Are you a human?"
    Human,
    /// "Who are you?"
    Who,
    /// "Can you help me?"
    Help,
    /// "How are you?"
    HowAreYou,
    /// Insults and nothing else.
    Abuse,
    /// "Thank you."
    Thanks,
    /// "Goodbye."
    Bye,
    /// "Hello."
    Hello,
    /// "Okay."
    AllRight,
    /// No words at all, or keys struck at random.
    Unclear,
}

/// Phrases of each kind in all languages, between commas. Where a language has two writings, both stand here.
const PHRASES: [(Talk, &str); 9] = [
    (
        Talk::Human,
        "are you human,are you a human,are you a person,are you a real person,are you real,are you a bot,are you a robot,is this a bot,\
         are you an ai,are you ai,am i talking to a human,am i talking to a bot,am i talking to a real person,is this a real person,\
         bist du ein mensch,sind sie ein mensch,bist du ein bot,bist du ein roboter,sind sie ein roboter,bist du echt,\
         rede ich mit einem menschen,spreche ich mit einem menschen,\
         êtes-vous humain,êtes-vous un humain,es-tu humain,es-tu un humain,êtes-vous un robot,es-tu un robot,tu es un robot,\
         êtes-vous une vraie personne,eres humano,eres un humano,eres una persona,eres un robot,es usted una persona,\
         hablo con una persona,sei umano,sei un umano,sei una persona,sei un robot,parlo con una persona,\
         ben je een mens,bent u een mens,ben je een robot,bent u een robot,ben je echt,és humano,você é humano,você é um robô,\
         és um robô,é uma pessoa,você é uma pessoa,czy jesteś człowiekiem,jesteś człowiekiem,czy jesteś botem,czy jesteś robotem,\
         هل أنت إنسان,هل أنت روبوت,האם אתה אנושי,אתה בוט,אתה רובוט,人間ですか,ロボットですか,あなたは人間ですか",
    ),
    (
        Talk::Who,
        "who are you,what are you,who is this,who am i talking to,what's your name,what is your name,introduce yourself,what do you do,\
         wer bist du,wer sind sie,was bist du,wie heißt du,wie heißen sie,wie heisst du,qui es-tu,qui êtes-vous,tu es qui,\
         vous êtes qui,comment t'appelles-tu,comment vous appelez-vous,quién eres,quien eres,quién es usted,cómo te llamas,\
         como te llamas,chi sei,lei chi è,come ti chiami,come si chiama,wie ben je,wie bent u,hoe heet je,hoe heet u,quem és,\
         quem é você,quem és tu,como te chamas,como você se chama,qual é o seu nome,kim jesteś,jak masz na imię,jak się nazywasz,\
         من أنت,ما اسمك,מי אתה,מי את,מה השם שלך,あなたは誰ですか,誰ですか,お名前は",
    ),
    (
        Talk::Help,
        "help,help me,please help,can you help,can you help me,could you help me,i need help,i need some help,i need your help,\
         i have a question,i have questions,i've got a question,can i ask you something,can i ask a question,can i ask you a question,\
         i have a problem,what can you do,what can i ask,what can i ask you,how can you help,how can you help me,anyone there,\
         is anyone there,is anybody there,is there anybody there,yes,yes please,yeah,yep,\
         hilfe,hilf mir,helfen sie mir,kannst du mir helfen,können sie mir helfen,könnten sie mir helfen,ich brauche hilfe,\
         ich habe eine frage,ich hätte eine frage,ich hab eine frage,was kannst du,was können sie,ist da jemand,ja,ja bitte,\
         aide,aidez-moi,à l'aide,peux-tu m'aider,pouvez-vous m'aider,pourriez-vous m'aider,j'ai besoin d'aide,j'ai une question,\
         il y a quelqu'un,que peux-tu faire,oui,oui s'il vous plaît,ayuda,ayúdame,ayúdeme,puedes ayudarme,puede ayudarme,\
         me puede ayudar,me puedes ayudar,necesito ayuda,tengo una pregunta,tengo una duda,hay alguien,hay alguien ahí,sí,\
         aiuto,mi aiuti,può aiutarmi,puoi aiutarmi,mi può aiutare,ho bisogno di aiuto,ho una domanda,c'è qualcuno,sì,\
         help mij,kunt u mij helpen,kunt u me helpen,kun je me helpen,kan je me helpen,ik heb hulp nodig,ik heb een vraag,is daar iemand,\
         ajuda,pode ajudar,pode ajudar-me,pode me ajudar,podes ajudar-me,você pode me ajudar,preciso de ajuda,tenho uma pergunta,\
         tenho uma dúvida,alguém aí,sim,pomoc,pomocy,możesz mi pomóc,czy możesz mi pomóc,może mi pan pomóc,potrzebuję pomocy,\
         mam pytanie,jest tam ktoś,tak,tak proszę,هل يمكنك مساعدتي,أحتاج مساعدة,ساعدني,لدي سؤال,نعم,\
         אפשר עזרה,אתה יכול לעזור לי,אני צריך עזרה,יש לי שאלה,כן,助けて,手伝ってください,質問があります,はい",
    ),
    (
        Talk::HowAreYou,
        "how are you,how are you doing,how are you today,how do you do,how is it going,how's it going,what's up,whats up,\
         wie geht es dir,wie geht es ihnen,wie geht's,wie gehts,wie geht's dir,comment ça va,ça va,comment allez-vous,comment vas-tu,\
         cómo estás,cómo está,como estas,qué tal,que tal,come stai,come sta,come va,hoe gaat het,hoe gaat het met je,\
         hoe gaat het met u,como está,como estás,como vai,tudo bem,jak się masz,co słychać,كيف حالك,מה שלומך,מה נשמע,お元気ですか,元気ですか",
    ),
    (
        Talk::Abuse,
        "fuck,fuck you,fuck off,fucking,fck,stfu,shut up,go to hell,idiot,idiots,stupid,dumb,moron,asshole,bitch,bastard,shit,shitty,crap,\
         bullshit,useless,you suck,this sucks,wanker,dickhead,kill yourself,i hate you,\
         arschloch,scheiße,scheisse,scheiß,fick dich,halt die klappe,halt's maul,dumm,blöd,idioten,wichser,hurensohn,nutzlos,leck mich,\
         merde,connard,connasse,va te faire foutre,ta gueule,putain,imbécile,crétin,mierda,puta,puto,gilipollas,cabrón,\
         vete a la mierda,cállate,imbécil,inútil,estúpido,merda,stronzo,vaffanculo,cretino,coglione,stai zitto,inutile,\
         klootzak,kut,lul,rot op,hou je bek,stom,nutteloos,caralho,foda-se,vai te foder,idiota,cala a boca,\
         kurwa,spierdalaj,debil,głupi,zamknij się,gówno,كس,غبي,מטומטם,אידיוט,馬鹿,バカ,くそ",
    ),
    (
        Talk::Thanks,
        "thank you,thanks,thank u,thanx,thnks,thx,tx,ty,tysm,cheers,many thanks,much appreciated,appreciate it,great help,\
         for your help,for the help,for helping,for helping me,für die hilfe,für deine hilfe,für ihre hilfe,pour votre aide,pour ton aide,\
         por su ayuda,por tu ayuda,per l'aiuto,per il suo aiuto,voor uw hulp,voor je hulp,pela ajuda,pela sua ajuda,za pomoc,\
         that helps,that helped,that was helpful,very helpful,awesome,great,perfect,wonderful,nice,cool,good job,well done,\
         danke,danke schön,dankeschön,dankeschoen,vielen dank,vielen lieben dank,besten dank,merci,merci beaucoup,merci bien,\
         super,toll,prima,perfekt,das hat geholfen,parfait,génial,gracias,muchas gracias,mil gracias,perfecto,genial,\
         grazie,grazie mille,molte grazie,tante grazie,perfetto,bedankt,dank je,dank je wel,dankjewel,dank u,dank u wel,hartelijk dank,\
         obrigado,obrigada,muito obrigado,muito obrigada,perfeito,dziękuję,dzięki,dziekuje,dzieki,dziękuję bardzo,bardzo dziękuję,\
         شكرا,شكرا جزيلا,شكرا لك,תודה,תודה רבה,ありがとう,ありがとうございます,ありがとうございました,どうも",
    ),
    (
        Talk::Bye,
        "bye,bye bye,goodbye,good bye,see you,see you later,see ya,cya,take care,have a nice day,have a good day,good night,\
         that's all,that is all,that's it,nothing else,no,nope,no thanks,no thank you,\
         tschüss,tschüß,tschuess,auf wiedersehen,auf wiederschauen,bis bald,bis dann,bis später,schönen tag,schönen tag noch,gute nacht,\
         das war's,das wars,das ist alles,das war alles,nein,nein danke,au revoir,à bientôt,bonne journée,bonne nuit,non,non merci,\
         c'est tout,adiós,adios,hasta luego,hasta pronto,buenas noches,eso es todo,arrivederci,a presto,buona giornata,buonanotte,\
         no grazie,è tutto,tot ziens,doei,dag,fijne dag,nee,nee bedankt,nee dank je,dat is alles,adeus,até logo,até já,tchau,não,\
         não obrigado,não obrigada,é tudo,do widzenia,pa,na razie,miłego dnia,nie,nie dziękuję,to wszystko,\
         مع السلامة,إلى اللقاء,وداعا,לא,להתראות,ביי,さようなら,いいえ,またね",
    ),
    (
        Talk::Hello,
        "hello,helo,hllo,hallo,hi,hii,hiya,hey,heya,howdy,yo,hi there,hello there,hey there,good morning,good afternoon,good evening,good day,\
         greetings,morning,guten tag,guten morgen,guten abend,gutentag,moin,moin moin,servus,grüß gott,grüezi,grüß dich,tag,\
         bonjour,bonsoir,salut,coucou,rebonjour,hola,buenos días,buenos dias,buenas tardes,buenas,muy buenas,saludos,\
         ciao,salve,buongiorno,buonasera,buon giorno,buona sera,goedemorgen,goedemiddag,goedenavond,goedendag,hoi,goeiedag,\
         olá,ola,oi,bom dia,boa tarde,boa noite,cześć,czesc,dzień dobry,dzien dobry,dobry wieczór,witam,hej,siema,\
         مرحبا,أهلا,السلام عليكم,اهلا وسهلا,صباح الخير,مساء الخير,שלום,היי,בוקר טוב,ערב טוב,\
         こんにちは,こんばんは,おはよう,おはようございます,もしもし,はじめまして",
    ),
    (
        Talk::AllRight,
        "ok,okay,k,kk,alright,all right,i see,understood,got it,fine,sure,good,good to know,makes sense,hmm,hm,aha,ah,oh,haha,hahaha,lol,\
         alles klar,in ordnung,verstanden,gut,passt,ach so,d'accord,entendu,compris,je vois,bien,vale,de acuerdo,entendido,bueno,\
         va bene,capito,ho capito,d'accordo,bene,oké,begrepen,prima zo,goed,está bem,tudo certo,entendi,certo,tá bom,\
         dobrze,rozumiem,w porządku,jasne,حسنا,فهمت,בסדר,הבנתי,了解,わかりました,なるほど",
    ),
];

/// Words that may stand beside these phrases and ask nothing.
const FILLERS: &str = "there so very much a lot again everyone everybody all team bot assistant guys dear sir madam friend for your the help answer info \
    information quick then now and but well just really you are is are's u r this it its that's that i'm my please pls man mate today \
    und sehr für die das deine ihre hilfe antwort auskunft so nochmal noch aber du bist sie sind ein eine der dieser bitte auch mal \
    et très pour votre ton aide réponse le la les tu es vous êtes un une bien s'il plaît y por su tu respuesta la el eres un una muy usted \
    per il suo tuo la risposta molto e sei è en voor uw je de het hulp antwoord heel erg bent een o pela sua ajuda resposta muito és você \
    za i bardzo pan pani jest jesteś się لك جدا אתה מאוד です ます";

/// What `text` is about, if it is small talk and nothing else.
pub(super) fn detect(text: &str) -> Option<Talk> {
    let words = words(text);
    if words.is_empty() {
        return Some(gesture(text));
    }
    // A long message that consists of pleasantries alone has not been seen, and the walk below would be long.
    if words.len() > 24 {
        return None;
    }
    if nonsense(&words) {
        return Some(Talk::Unclear);
    }
    let mut rest = introduced(&words);
    let mut found: Option<Talk> = None;
    while !rest.is_empty() {
        let longest = KNOWN
            .iter()
            .filter(|(_, phrase)| rest.starts_with(phrase))
            .max_by_key(|(_, phrase)| phrase.len());
        if let Some((talk, phrase)) = longest {
            found = Some(found.map_or(*talk, |f| f.min(*talk)));
            rest = &rest[phrase.len()..];
        } else if FILLING.contains(&rest[0].as_str()) {
            rest = &rest[1..];
        } else {
            return None;
        }
    }
    found
}

/// The answer to small talk.
pub(super) fn reply(customer: &Customer, settings: &AssistantSettings, locale: Option<Locale>, talk: Talk) -> String {
    let phrases = phrases::of(locale);
    let phrase = match talk {
        Talk::Hello => return phrases::greeting_back(customer, settings, locale),
        Talk::Who => {
            let name = settings.name.as_ref().map(|_| phrases.i_am);
            return phrases::fill(&join(name, phrases.who), customer, settings);
        }
        Talk::Human => {
            let contact = phrases::contact(settings, locale);
            let said = phrases::fill(phrases.no_human, customer, settings);
            return contact.map_or(said.clone(), |contact| format!("{said} {contact}"));
        }
        Talk::Help => phrases.help,
        Talk::HowAreYou => phrases.fine,
        Talk::Abuse => phrases.calm,
        Talk::Thanks => phrases.welcome,
        Talk::Bye => phrases.bye,
        Talk::AllRight => phrases.all_right,
        Talk::Unclear => phrases.unclear,
    };
    phrases::fill(phrase, customer, settings)
}

fn join(first: Option<&str>, second: &str) -> String {
    first.map_or_else(|| second.to_owned(), |first| format!("{first} {second}"))
}

static KNOWN: LazyLock<Vec<(Talk, Vec<String>)>> = LazyLock::new(|| {
    let each = |(talk, list): (Talk, &'static str)| list.split(',').map(move |phrase| (talk, words(phrase)));
    PHRASES
        .into_iter()
        .flat_map(each)
        .filter(|(_, phrase)| !phrase.is_empty())
        .collect()
});

static FILLING: LazyLock<Vec<&'static str>> = LazyLock::new(|| FILLERS.split_whitespace().collect());

/// The greetings, word by word.
pub(super) fn greetings() -> impl Iterator<Item = &'static [String]> {
    let hello = KNOWN.iter().filter(|(talk, _)| *talk == Talk::Hello);
    hello.map(|(_, phrase)| phrase.as_slice())
}

/// Words in lower case; letters struck three times or more count once, and Arabic's vowel signs not at all.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut clean = String::with_capacity(text.len());
    let mut run = 0;
    let mut last = ' ';
    for c in text.to_lowercase().chars() {
        let c = if c == '’' { '\'' } else { c };
        if ('\u{64b}'..='\u{652}').contains(&c) {
            continue;
        }
        run = if c == last { run + 1 } else { 1 };
        last = c;
        clean.push(c);
        if run == 3 && c.is_alphabetic() {
            clean.truncate(clean.len() - 2 * c.len_utf8());
        } else if run > 3 && c.is_alphabetic() {
            clean.truncate(clean.len() - c.len_utf8());
        }
    }
    let parts = clean.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '-'));
    let parts = parts.map(|w| w.trim_matches(['\'', '-']));
    parts.filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

/// Leaves out "I'm Anna" at the end: whoever says a name greets.
fn introduced(words: &[String]) -> &[String] {
    const INTRODUCTIONS: [&[&str]; 8] = [
        &["i'm"],
        &["i", "am"],
        &["my", "name", "is"],
        &["ich", "bin"],
        &["ich", "heiße"],
        &["mein", "name", "ist"],
        &["je", "m'appelle"],
        &["me", "llamo"],
    ];
    let Some((_, before)) = words.split_last() else {
        return words;
    };
    let ends =
        |tail: &&[&str]| before.len() > tail.len() && before.iter().rev().zip(tail.iter().rev()).all(|(a, b)| a == b);
    INTRODUCTIONS
        .iter()
        .copied()
        .find(ends)
        .map_or(words, |tail| &before[..before.len() - tail.len()])
}

/// A message without any word.
fn gesture(text: &str) -> Talk {
    let has = |signs: &str| text.chars().any(|c| signs.contains(c));
    if has("👋") {
        Talk::Hello
    } else if has("🙏❤♥😍🥰😘💕") {
        Talk::Thanks
    } else if has("👍👌✅☺🙂😊😀😃") {
        Talk::AllRight
    } else {
        Talk::Unclear
    }
}

/// Keys struck at random: one word along a row of the keyboard, or a long one without any vowel. Names of goods ("XKCD-1234",
/// "HTML") have digits or are short.
fn nonsense(words: &[String]) -> bool {
    const ROWS: [&str; 6] = [
        "qwertyuiop",
        "asdfghjkl",
        "zxcvbnm",
        "qwertzuiopü",
        "asdfghjklöä",
        "yxcvbnm",
    ];
    let [word] = words else { return false };
    let letters = word.chars().count();
    let latin = word.bytes().all(|b| b.is_ascii_lowercase());
    let one_row = letters >= 4
        && ROWS.iter().any(|row| {
            let row = row.as_bytes();
            let at = |b: u8| row.iter().position(|r| *r == b);
            word.as_bytes()
                .windows(2)
                .all(|p| matches!((at(p[0]), at(p[1])), (Some(a), Some(b)) if b == a + 1))
        });
    let no_vowel = letters >= 7 && !word.contains(['a', 'e', 'i', 'o', 'u', 'y']);
    latin && (one_row || no_vowel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pleasantries_are_known_in_every_language() {
        let said = [
            ("Hello", Talk::Hello),
            ("hellooooo!!!", Talk::Hello),
            ("HI THERE", Talk::Hello),
            ("Hi, I'm Anna", Talk::Hello),
            ("Guten Tag!", Talk::Hello),
            ("Bonjour", Talk::Hello),
            ("¡Hola, buenos días!", Talk::Hello),
            ("Cześć", Talk::Hello),
            ("مرحبًا", Talk::Hello),
            ("שלום", Talk::Hello),
            ("こんにちは。", Talk::Hello),
            ("👋", Talk::Hello),
            ("thanks a lot!", Talk::Thanks),
            ("thank you so much for your help", Talk::Thanks),
            ("ok thanks, bye", Talk::Thanks),
            ("Vielen Dank für die Auskunft", Talk::Thanks),
            ("merci beaucoup", Talk::Thanks),
            ("Grazie mille", Talk::Thanks),
            ("bye", Talk::Bye),
            ("Tschüss", Talk::Bye),
            ("no thanks, that's all", Talk::Bye),
            ("Who are you?", Talk::Who),
            ("hi, who are you", Talk::Who),
            ("Wie heißt du?", Talk::Who),
            ("Are you a human?", Talk::Human),
            ("bist du ein Mensch", Talk::Human),
            ("êtes-vous un robot ?", Talk::Human),
            ("Can you help me?", Talk::Help),
            ("hello, I have a question", Talk::Help),
            ("Können Sie mir helfen?", Talk::Help),
            ("How are you?", Talk::HowAreYou),
            ("Ça va ?", Talk::HowAreYou),
            ("ok", Talk::AllRight),
            ("👍", Talk::AllRight),
            ("fuck you", Talk::Abuse),
            ("you are so stupid", Talk::Abuse),
            ("???", Talk::Unclear),
            ("...", Talk::Unclear),
            ("asdfgh", Talk::Unclear),
            ("sdfkjhsdkfjh", Talk::Unclear),
        ];
        for (text, talk) in said {
            assert_eq!(detect(text), Some(talk), "{text}");
        }
    }

    #[test]
    fn what_asks_something_is_never_small_talk() {
        let asked = [
            "Hi, how much is shipping?",
            "hello what are your opening hours",
            "thanks! and how long does it take?",
            "Thanks, but can I return it?",
            "Can you help me with my order?",
            "help me choose a paddle",
            "I have a question about returns",
            "this fucking paddle broke, can I return it",
            "Who are your suppliers?",
            "are you open on sunday",
            "good morning yoga class",
            "Are you a member of the chamber of commerce?",
            "what can you do with a dry suit",
            "nice paddles",
            "tanks",
            "cool box",
            "Guten Tag, was kostet der Versand?",
            "Bonjour, combien coûte la livraison ?",
            "ok google",
            "returns",
            "HTML",
            "xkcd1234",
            "DHL",
            "Sognefjord 14",
            "送料はいくらですか",
            "I'm a student, do I get a discount",
            "yes but how much",
            "no refund?",
            "rhythm",
        ];
        for text in asked {
            assert_eq!(detect(text), None, "{text}");
        }
    }
}

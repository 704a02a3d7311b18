//! The little words of Polish, Arabic and Hebrew. What speakers leave out or write together with its neighbour makes more words
//! doubtful than in the west: a word that could mean something by itself is in no list.
use super::words::Lists;

pub(super) const PL: Lists = Lists {
    openers: "a i ale też oraz więc a_co_z co_z a_jak_z czy_to_dotyczy_też a_czy_to_dotyczy",
    instead: "a_co_z co_z a_jak_z czy_to_dotyczy_też a_czy_to_dotyczy",
    pronouns: "on ona ono oni one jego jej ich go ją nim nią niego niej nimi nich jemu",
    loose: "to ten ta te tego tej tych tę tym któryś",
    pointing: "ten ta te tego tej tych tę tym taki taka takie",
    here: "strona stronie sklep sklepie tydzień tygodniu miesiąc miesiącu rok roku weekend rano wieczór kraj kraju lato lecie zima zimie \
           firma firmie chwili",
    empty: "co_to_jest co_to_są co_to_znaczy kto_to to_możliwe to_prawda to_znaczy poza_tym w_tym przy_tym",
    function: "a i oraz lub albo ale jeśli gdy jak na w we z ze do od po przez za dla o u pod nad przed bez przy między ja mnie mi mój \
               moja moje moich mojego ty ciebie ci twój twoja wy was wasz wasza wasze waszym my nas nasz nasza kto kogo co czego czym \
               który która które których jaki jaka jakie jakich gdzie skąd dokąd kiedy dlaczego czemu ile czy jest są był była było być \
               będzie będą mam masz ma mamy macie mają mogę możesz może możemy można muszę musi trzeba powinienem powinno chcę chce \
               chciałbym chciałabym się nie tak też także tylko jeszcze już proszę bardzo więcej dużo wszystkie każdy każda coś tam tu \
               tutaj wtedy robi robić robią zrobić potrzebuję dostanę jestem jesteście",
    attributes: "długi długa długie ciężki ciężka ciężkie duży duża duże wysoki wysoka szeroki szeroka głęboki stary szybko drogi droga \
                 drogie tani tania tanie kosztuje kosztują koszt cena ceny cenę waży ważą waga wagi rozmiar rozmiary rozmiarach długość \
                 szerokość wysokość kolor kolory kolorach materiał materiału dostępny dostępna dostępne magazynie stanie często daleko \
                 wcześnie późno trwa potrwa pasuje wymiary modele wersje możliwe wliczone szczegóły odpowiedni długo",
    comparing: "tańszy tańsza tańsze mniejszy mniejsza mniejsze większy większa większe dłuższy dłuższa krótszy krótsza lżejszy lżejsza \
                cięższy szybszy lepszy lepsza lepsze nowszy inny inna inne innym podobny podobna podobne zamiast",
    ordinals: "pierwszy,pierwsza,pierwsze,pierwszego,pierwszej drugi,druga,drugie,drugiego,drugiej trzeci,trzecia,trzecie,trzeciego,trzeciej \
               czwarty,czwarta,czwarte piąty,piąta,piąte ostatni,ostatnia,ostatnie,ostatniego,ostatniej",
    determiners: "mój moja moje nasz nasza nasze wasz wasza wasze ten ta te tego tej tę",
    prepositions: "do w we na z ze dla bez po przed przez od za podczas o przy",
    clauses: "jeśli jeżeli gdy kiedy bo ponieważ że żeby zanim aż ale i który która które jak",
    you: "wy was wasz wasza wasze wam my nas nasz nasza państwo państwa jesteście macie",
    more: "powiedz_więcej więcej_szczegółów więcej_informacji dlaczego_nie na_przykład możesz_wyjaśnić proszę_wyjaśnić",
    prefixes: "",
    copula: false,
};

pub(super) const AR: Lists = Lists {
    openers: "و أو لكن ماذا_عن ماذا_بشأن وماذا_عن وماذا_بشأن",
    instead: "ماذا_عن ماذا_بشأن وماذا_عن وماذا_بشأن",
    pronouns: "هو هي هم منه منها فيه فيها عليه عليها عنه عنها معه معها",
    loose: "هذا هذه ذلك تلك",
    pointing: "هذا هذه ذلك تلك",
    here: "الموقع المتجر الصفحة الأسبوع الشهر السنة العام الصيف الشتاء البلد الشركة",
    empty: "ما_هو ما_هي ما_هم من_هو من_هي كم_هو كم_هي أين_هو أين_هي متى_هو هل_هو_من هل_هي_من",
    function: "كم ما ماذا من متى أين كيف لماذا هل أي أية الذي التي في على إلى عن مع بدون حتى قبل بعد عند بين أنا نحن أنت أنتم لي لنا \
               لكم لديكم عندكم لدي يمكن يمكنني أستطيع هناك يوجد توجد أريد نعم لا ليس كان تكون يكون أن إن إذا كل أيضا أيضًا فقط جدا جدًا \
               أكثر لو سمحت فضلك و أو",
    attributes: "سعر أسعار ثمن تكلفة يكلف تكلف كلفة وزن طول عرض ارتفاع حجم مقاس مقاسات لون ألوان متوفر متوفرة متاح متاحة مخزون مدة يستغرق \
                 تستغرق طويل ثقيل كبير صغير غالي رخيص مادة خامة تفاصيل سعره سعرها وزنه وزنها لونه لونها ألوانه ألوانها طوله طولها حجمه \
                 حجمها ثمنه ثمنها مقاسه مقاسها مقاساته مقاساتها تكلفته تكلفتها وقت",
    comparing: "أرخص أصغر أكبر أطول أقصر أخف أثقل أسرع أفضل أحدث غيره غيرها",
    ordinals: "الأول,الأولى الثاني,الثانية الثالث,الثالثة الرابع,الرابعة الخامس,الخامسة الأخير,الأخيرة",
    determiners: "هذا هذه ذلك تلك",
    prepositions: "إلى في على من مع بدون عن قبل بعد خلال",
    clauses: "إذا عندما لأن الذي التي لكن ثم",
    you: "أنتم أنت لديكم عندكم لكم نحن لنا",
    more: "أخبرني_المزيد المزيد مزيد_من_التفاصيل لماذا_لا على_سبيل_المثال اشرح_لي",
    prefixes: "وال ال و",
    copula: true,
};

pub(super) const HE: Lists = Lists {
    openers: "או אבל מה_עם מה_לגבי",
    instead: "מה_עם מה_לגבי",
    pronouns: "הוא היא הם הן אותו אותה אותם אותן שלו שלה שלהם ממנו ממנה עליו עליה איתו איתה",
    loose: "זה זו זאת הזה הזו הזאת האלה אלה אלו",
    pointing: "",
    here: "אתר חנות עמוד שבוע חודש שנה",
    empty: "מה_זה מי_זה מה_הוא מה_היא מי_הוא מי_היא זה_אפשרי זה_נכון איפה_הוא איפה_היא",
    function: "כמה מה מי מתי איפה היכן לאן מאיפה איך למה מדוע האם איזה איזו אילו של את על אל עם בלי עד לפני אחרי בין אני אנחנו אתה אתם \
               לי לנו לכם שלכם שלי יש אין אפשר ניתן יכול יכולה אוכל רוצה צריך צריכה כן לא גם רק עוד כל מאוד תודה בבקשה היה תהיה יהיה \
               להיות אם כי או",
    attributes: "מחיר מחירים עולה עולים עלות שוקל שוקלת משקל אורך רוחב גובה גודל מידה מידות צבע צבעים זמין זמינה מלאי במלאי חומר זמן לוקח \
                 כבד כבדה ארוך ארוכה גדול גדולה קטן יקר יקרה פרטים אפשרי",
    comparing: "זול זולה קטנה יותר אחר אחרת אחרים דומה עדיף",
    ordinals: "הראשון,הראשונה השני,השנייה השלישי,השלישית הרביעי,הרביעית החמישי,החמישית האחרון,האחרונה",
    determiners: "",
    prepositions: "עם בלי על עד לפני אחרי של אל",
    clauses: "אם כאשר כי אבל",
    you: "אתם אתה לכם שלכם אנחנו לנו שלנו",
    more: "ספר_לי_עוד עוד_פרטים פרטים_נוספים למה_לא לדוגמה הסבר_בבקשה",
    prefixes: "וה ה ו",
    copula: true,
};

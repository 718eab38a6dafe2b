#!/usr/bin/env python3
"""Writes known_world.json, CounterFact records of well-known facts: make_known_world.py > known_world.json

Every relation has a table: an object, and the subjects of which it is true. The object of an edit, target_new, is drawn from the
other objects of the relation by a hash of case_id, so that a new fact at the end of a table changes no other record's object.
"""

import hashlib
import json
import sys
from dataclasses import dataclass


@dataclass
class Relation:
    id: str
    rewrites: list[str]  # the first is the rewrite prompt; neighborhood prompts use all
    paraphrases: list[str]  # the second follows an unrelated sentence
    generations: list[str]
    table: str

    def facts(self) -> list[tuple[str, str]]:
        """Subject and object."""
        lines = (line.strip().split(": ", 1) for line in self.table.strip().splitlines())
        return [(subject, object_) for object_, subjects in lines for subject in subjects.split("; ")]


UNRELATED = [
    "The rain stopped before noon.",
    "Two chairs stood by the window.",
    "Tickets are sold at the door.",
    "She closed the book and looked up.",
    "The second bus was late as well.",
    "Nobody had watered the plants.",
    "It was the last page of the letter.",
    "The soup was still too hot.",
    "A clock struck somewhere in the house.",
    "He had left his coat on the train.",
    "The meeting ended earlier than planned.",
]
COUNTRY = [
    "A first visit to {} is best planned",
    "The history of {} is",
    "What people like about {} is",
]
PERSON = [
    "The parents of {} were",
    "A book about {} tells how",
    "What {} did best was",
]

RELATIONS = [
    Relation(
        "K01",
        ["The country of {} is on the continent of", "On the map, {} belongs to the continent of"],
        ["A flight to {} ends on the continent of", "Geographers count {} among the countries of"],
        COUNTRY,
        """
        Africa: Nigeria; Kenya; Ghana; Ethiopia; Algeria; Morocco; Tunisia; Libya; Sudan; Uganda; Tanzania; Zambia; Zimbabwe; Angola; Mozambique; Namibia; Botswana; Senegal; Mali; Niger; Chad; Cameroon; Gabon; Rwanda; Burundi; Somalia; Malawi; Madagascar; Liberia; Sierra Leone
        Asia: China; Japan; India; Pakistan; Bangladesh; Nepal; Bhutan; Thailand; Vietnam; Laos; Cambodia; Malaysia; Mongolia; South Korea; North Korea; Iran; Iraq; Afghanistan; Saudi Arabia; Jordan; Syria; Lebanon; Oman; Yemen; Uzbekistan; Sri Lanka; Myanmar; Singapore
        Europe: France; Germany; Italy; Spain; Portugal; Poland; Austria; Hungary; Switzerland; Belgium; Denmark; Sweden; Norway; Finland; Ireland; Greece; Romania; Bulgaria; Serbia; Croatia; Slovenia; Slovakia; Albania; Estonia; Latvia; Lithuania; Ukraine; Luxembourg; Iceland; Liechtenstein
        South America: Brazil; Argentina; Chile; Peru; Bolivia; Colombia; Venezuela; Ecuador; Uruguay; Paraguay; Guyana; Suriname
        North America: Canada; Mexico; Guatemala; Honduras; Nicaragua; Costa Rica; El Salvador; Belize; Cuba
        """,
    ),
    Relation(
        "K02",
        ["The city of {} is in the country of", "Anyone who lives in {} lives in the country of"],
        ["The train to {} crosses half of the country of", "The streets of {} are like those of other cities in"],
        ["The old town of {} has", "Around {} there are", "Students who come to {} find"],
        """
        Japan: Osaka; Kyoto; Yokohama; Nagoya; Sapporo; Kobe; Hiroshima; Nagasaki; Fukuoka; Sendai
        Germany: Munich; Hamburg; Cologne; Stuttgart; Dresden; Leipzig; Düsseldorf; Nuremberg; Bremen; Hanover
        France: Lyon; Marseille; Toulouse; Bordeaux; Strasbourg; Lille; Nantes; Grenoble; Rouen
        Italy: Milan; Naples; Turin; Florence; Venice; Bologna; Genoa; Palermo; Verona; Pisa
        Spain: Barcelona; Seville; Bilbao; Málaga; Zaragoza; Salamanca; Pamplona
        China: Shanghai; Shenzhen; Guangzhou; Wuhan; Chengdu; Nanjing; Tianjin; Hangzhou; Harbin
        India: Mumbai; Chennai; Kolkata; Bangalore; Jaipur; Pune; Ahmedabad; Lucknow; Varanasi
        Brazil: São Paulo; Rio de Janeiro; Recife; Curitiba; Porto Alegre; Manaus
        Canada: Toronto; Vancouver; Montreal; Calgary; Edmonton; Winnipeg
        Australia: Sydney; Melbourne; Brisbane; Adelaide; Hobart; Darwin
        Mexico: Monterrey; Tijuana; Acapulco; Oaxaca; Cancún
        Russia: Saint Petersburg; Novosibirsk; Vladivostok; Kazan; Yekaterinburg; Omsk
        Poland: Kraków; Gdańsk; Wrocław; Poznań; Lublin
        Turkey: Istanbul; Izmir; Antalya; Bursa; Konya
        Egypt: Alexandria; Luxor; Aswan; Giza
        Pakistan: Karachi; Lahore; Peshawar; Multan; Faisalabad
        Switzerland: Zurich; Geneva; Basel; Lausanne
        Sweden: Gothenburg; Malmö; Uppsala
        Portugal: Porto; Braga; Coimbra
        """,
    ),
    Relation(
        "K03",
        ["In everyday life, most people in {} speak", "The language that one hears most in {} is"],
        ["Newspapers in {} are mostly printed in", "A child who grows up in {} learns to read and write in"],
        COUNTRY,
        """
        Spanish: Mexico; Argentina; Chile; Colombia; Venezuela; Cuba; Peru; Ecuador; Uruguay; Costa Rica; Honduras; Panama; Guatemala; Nicaragua; El Salvador
        Portuguese: Brazil; Portugal
        German: Austria; Liechtenstein
        French: France; Monaco
        Italian: Italy; San Marino
        English: Australia; New Zealand; the United Kingdom; the United States; Ireland; the Bahamas
        Arabic: Egypt; Saudi Arabia; Jordan; Syria; Libya; Yemen; Oman; Tunisia; Lebanon; Iraq; Sudan
        Greek: Greece; Cyprus
        Korean: South Korea; North Korea
        Japanese: Japan
        Polish: Poland
        Russian: Russia
        Swedish: Sweden
        Turkish: Turkey
        Danish: Denmark
        Hungarian: Hungary
        Romanian: Romania
        Vietnamese: Vietnam
        Persian: Iran
        Bengali: Bangladesh
        Norwegian: Norway
        Finnish: Finland
        """,
    ),
    Relation(
        "K04",
        ["The sport that made {} famous is", "All over the world, {} is known for playing"],
        ["Fans of {} are fans of", "Children who admire {} dream of a life in professional"],
        ["The first trophy of {} was", "In an interview, {} said that", "The best season of {} was"],
        """
        basketball: Michael Jordan; LeBron James; Kobe Bryant; Shaquille O'Neal; Larry Bird; Magic Johnson; Stephen Curry; Kevin Durant; Tim Duncan; Dirk Nowitzki; Yao Ming
        tennis: Roger Federer; Rafael Nadal; Novak Djokovic; Serena Williams; Venus Williams; Andre Agassi; Pete Sampras; Steffi Graf; Martina Navratilova; Maria Sharapova; Björn Borg; Boris Becker; John McEnroe
        soccer: Lionel Messi; Cristiano Ronaldo; Pelé; Diego Maradona; David Beckham; Zinedine Zidane; Neymar; Kylian Mbappé; Wayne Rooney; Thierry Henry; Ronaldinho; Mia Hamm
        baseball: Babe Ruth; Derek Jeter; Hank Aaron; Willie Mays; Barry Bonds; Mickey Mantle; Alex Rodriguez; Cy Young; Lou Gehrig; Jackie Robinson; Joe DiMaggio
        golf: Tiger Woods; Jack Nicklaus; Arnold Palmer; Phil Mickelson; Rory McIlroy; Gary Player
        boxing: Muhammad Ali; Mike Tyson; Joe Frazier; Floyd Mayweather; Manny Pacquiao; George Foreman; Sugar Ray Leonard; Evander Holyfield; Joe Louis
        hockey: Wayne Gretzky; Gordie Howe; Bobby Orr; Mario Lemieux; Sidney Crosby
        cricket: Sachin Tendulkar; Virat Kohli; Donald Bradman; Brian Lara; Shane Warne; Ricky Ponting
        chess: Garry Kasparov; Bobby Fischer; Magnus Carlsen; Anatoly Karpov; Viswanathan Anand; Boris Spassky
        """,
    ),
    Relation(
        "K05",
        ["The company that makes {} is", "Behind {} stands the company"],
        ["When {} came out, the news was all about", "The engineers who developed {} worked for"],
        ["Buyers of {} say that", "An advertisement for {} shows", "The price of {} is"],
        """
        Apple: the iPhone; the iPad; the MacBook; the iPod; the iMac
        Microsoft: Windows XP; the Xbox 360; Excel; PowerPoint; Visual Studio; Internet Explorer
        Google: Gmail; the Chrome browser; the Pixel 4 phone
        Sony: the PlayStation; the PlayStation 2; the Walkman
        Nintendo: the Game Boy; the Wii; Donkey Kong; Super Mario Bros.; The Legend of Zelda
        Toyota: the Corolla; the Camry; the Prius; the Land Cruiser; the RAV4
        Honda: the Civic; the CR-V; the Gold Wing motorcycle
        Ford: the Mustang; the Model T; the F-150; the Fiesta
        Chevrolet: the Corvette; the Camaro; the Impala; the Silverado
        Volkswagen: the Golf GTI; the Passat; the Jetta; the Tiguan
        Nissan: the Altima; the Sentra; the Pathfinder
        Porsche: the 911 Carrera; the Cayenne; the Boxster
        Ferrari: the Testarossa; the F40; the 458 Italia
        Tesla: the Model S; the Model 3; the Cybertruck
        Boeing: the 747; the 737; the 787 Dreamliner; the B-17 Flying Fortress
        Airbus: the A380; the A320; the A350
        Adobe: Photoshop; Illustrator; Acrobat
        Samsung: the Galaxy S10; the Galaxy Note
        Amazon: the Kindle; the Echo speaker
        """,
    ),
    Relation(
        "K06",
        ["Visitors who want to see {} travel to the city of", "One finds {} in the city of"],
        ["A photograph of {} tells everyone that it was taken in", "The hotel near {} is one of the largest in"],
        ["From the top of {} one sees", "The architect of {} wanted", "In the shop beside {} they sell"],
        """
        Paris: the Eiffel Tower; the Louvre; the Arc de Triomphe; the Moulin Rouge; the Centre Pompidou; the Champs-Élysées
        London: Big Ben; Buckingham Palace; Tower Bridge; the Tate Modern; Hyde Park; Trafalgar Square; the British Museum; Westminster Abbey; Piccadilly Circus
        Rome: the Colosseum; the Trevi Fountain; the Spanish Steps; Castel Sant'Angelo
        New York: the Statue of Liberty; Times Square; the Empire State Building; Central Park; the Brooklyn Bridge; Wall Street; Madison Square Garden; the Chrysler Building
        Berlin: the Brandenburg Gate; the Reichstag; Checkpoint Charlie; Alexanderplatz
        Moscow: the Kremlin; Red Square; the Bolshoi Theatre; Saint Basil's Cathedral
        Athens: the Parthenon; the Acropolis
        San Francisco: the Golden Gate Bridge; Alcatraz; Fisherman's Wharf
        Washington: the White House; the Lincoln Memorial; the Library of Congress; the National Mall
        Beijing: the Forbidden City; Tiananmen Square; the Temple of Heaven; the Summer Palace
        Barcelona: the Sagrada Família; Camp Nou; Park Güell
        Amsterdam: the Anne Frank House; the Rijksmuseum; the Van Gogh Museum
        Istanbul: the Hagia Sophia; the Blue Mosque; the Grand Bazaar
        Madrid: the Prado Museum; the Puerta del Sol
        Vienna: Schönbrunn Palace; the Hofburg
        Florence: the Uffizi Gallery; the Ponte Vecchio
        Venice: the Rialto Bridge; the Doge's Palace
        Chicago: the Willis Tower; Wrigley Field; Millennium Park
        Boston: Fenway Park; Faneuil Hall
        Los Angeles: the Hollywood Sign; Griffith Observatory
        Dubai: the Burj Khalifa; the Burj Al Arab
        Seattle: the Space Needle; Pike Place Market
        Copenhagen: Tivoli Gardens; the statue of the Little Mermaid
        """,
    ),
    Relation(
        "K07",
        ["As a child, {} spoke", "The first language of {} was"],
        ["The letters that {} wrote home were in", "With old friends, {} talked in"],
        PERSON,
        """
        French: Victor Hugo; Voltaire; Molière; Marcel Proust; Émile Zola; Édith Piaf; Charles de Gaulle; Claude Debussy; Jules Verne; Gustave Flaubert; Louis Pasteur; Simone de Beauvoir; Honoré de Balzac
        German: Johann Wolfgang von Goethe; Ludwig van Beethoven; Friedrich Nietzsche; Albert Einstein; Angela Merkel; Johann Sebastian Bach; Immanuel Kant; Martin Luther; Sigmund Freud; Karl Marx; Max Planck; Otto von Bismarck; Wolfgang Amadeus Mozart
        Italian: Dante Alighieri; Galileo Galilei; Federico Fellini; Luciano Pavarotti; Sophia Loren; Giuseppe Verdi; Niccolò Machiavelli; Umberto Eco; Leonardo da Vinci
        Spanish: Miguel de Cervantes; Gabriel García Márquez; Pablo Picasso; Diego Rivera; Pablo Neruda; Fidel Castro; Che Guevara; Federico García Lorca
        Russian: Leo Tolstoy; Fyodor Dostoevsky; Anton Chekhov; Vladimir Putin; Yuri Gagarin; Boris Yeltsin; Mikhail Gorbachev; Vladimir Lenin; Dmitri Shostakovich
        English: William Shakespeare; Charles Dickens; Winston Churchill; Isaac Newton; Jane Austen; Abraham Lincoln; Mark Twain; Charles Darwin; Ernest Hemingway; George Washington
        Japanese: Haruki Murakami; Akira Kurosawa; Hayao Miyazaki; Yukio Mishima
        Chinese: Mao Zedong; Deng Xiaoping; Xi Jinping; Zhou Enlai
        Polish: Marie Curie; Lech Wałęsa; Pope John Paul II; Andrzej Wajda
        Portuguese: Cristiano Ronaldo; José Saramago; Paulo Coelho; Vasco da Gama
        Danish: Hans Christian Andersen; Niels Bohr; Søren Kierkegaard
        Swedish: Ingmar Bergman; Astrid Lindgren; Greta Garbo; Alfred Nobel
        Dutch: Rembrandt; Vincent van Gogh; Johan Cruyff
        Norwegian: Henrik Ibsen; Edvard Grieg; Roald Amundsen
        Greek: Plato; Aristotle; Sophocles; Socrates
        """,
    ),
    Relation(
        "K08",
        ["The field in which {} became famous is", "Today {} is remembered for great work in"],
        ["Whoever wants to understand {} must know something about", "A lecture on {} belongs in a course on the history of"],
        PERSON,
        """
        physics: Albert Einstein; Isaac Newton; Niels Bohr; Richard Feynman; Stephen Hawking; Werner Heisenberg; Enrico Fermi; Max Planck; Erwin Schrödinger; Michael Faraday; James Clerk Maxwell
        chemistry: Dmitri Mendeleev; Antoine Lavoisier; Linus Pauling; Robert Bunsen; Fritz Haber
        biology: Charles Darwin; Gregor Mendel; James Watson; Francis Crick; Carl Linnaeus
        mathematics: Carl Friedrich Gauss; Leonhard Euler; Pierre de Fermat; Bernhard Riemann; David Hilbert; Emmy Noether; Srinivasa Ramanujan; Euclid; Georg Cantor; Andrew Wiles
        painting: Vincent van Gogh; Claude Monet; Rembrandt; Pablo Picasso; Salvador Dalí; Johannes Vermeer; Frida Kahlo; Paul Cézanne; Henri Matisse; Édouard Manet
        music: Wolfgang Amadeus Mozart; Ludwig van Beethoven; Johann Sebastian Bach; Franz Schubert; Antonio Vivaldi; Johannes Brahms; Bob Marley; Jimi Hendrix; Elvis Presley; Miles Davis; Louis Armstrong
        philosophy: Plato; Socrates; Aristotle; Immanuel Kant; Friedrich Nietzsche; David Hume; Arthur Schopenhauer; Baruch Spinoza; John Locke; Jean-Paul Sartre
        economics: Adam Smith; John Maynard Keynes; Milton Friedman; David Ricardo; Paul Samuelson
        psychology: Carl Jung; B. F. Skinner; William James; Jean Piaget; Abraham Maslow
        astronomy: Edwin Hubble; Johannes Kepler; Nicolaus Copernicus; Tycho Brahe; Carl Sagan; William Herschel
        """,
    ),
    Relation(
        "K09",
        ["In biology, {} is a kind of", "A zoologist would call {} a type of"],
        ["Every child learns at school that {} is a type of", "Like all its relatives, {} is some sort of"],
        ["In winter, {} can be seen", "The enemies of {} are", "A picture of {} hangs"],
        """
        mammal: the dolphin; the blue whale; the elephant; the bat; the tiger; the horse; the kangaroo; the giraffe; the rabbit; the seal; the gorilla; the hedgehog
        bird: the eagle; the penguin; the owl; the sparrow; the ostrich; the parrot; the flamingo; the swan; the falcon; the robin; the pigeon
        fish: the salmon; the trout; the tuna; the shark; the cod; the herring; the carp; the seahorse; the eel; the pike
        reptile: the crocodile; the turtle; the lizard; the cobra; the iguana; the gecko; the chameleon; the tortoise; the alligator
        insect: the ant; the honeybee; the butterfly; the beetle; the mosquito; the grasshopper; the dragonfly; the wasp; the moth; the ladybug
        amphibian: the frog; the toad; the newt; the salamander; the axolotl
        """,
    ),
    Relation(
        "K10",
        ["The country in which {} was founded is", "The company {} comes from"],
        ["The first factory of {} stood in", "In the list of the world's companies, {} appears under"],
        ["People who work for {} say that", "The founder of {} began with", "Last year {} sold"],
        """
        Japan: Toyota; Honda; Sony; Nintendo; Mitsubishi; Panasonic; Canon; Nissan; Subaru; Yamaha; Toshiba
        Germany: Volkswagen; BMW; Siemens; Mercedes-Benz; Porsche; Bayer; Adidas; Audi; Lufthansa; SAP
        South Korea: Samsung; Hyundai; LG Electronics; Kia
        France: Renault; Peugeot; Citroën; Michelin; L'Oréal; Chanel; Danone
        Italy: Ferrari; Fiat; Lamborghini; Gucci; Prada; Maserati; Alfa Romeo
        Sweden: Volvo; IKEA; Ericsson; Spotify; Electrolux
        Switzerland: Nestlé; Swatch; Novartis; Credit Suisse
        Denmark: Lego; Carlsberg; Maersk
        China: Huawei; Alibaba; Tencent; Lenovo; Xiaomi; Baidu
        India: Tata Motors; Infosys; Wipro; Mahindra
        """,
    ),
    Relation(
        "K11",
        ["The capital of {} is the city of", "The government of {} has its seat in"],
        ["The parliament of {} meets in", "The embassies in {} are mostly in its capital,"],
        COUNTRY,
        """
        Paris: France
        Berlin: Germany
        Rome: Italy
        Madrid: Spain
        Lisbon: Portugal
        Warsaw: Poland
        Vienna: Austria
        Budapest: Hungary
        Athens: Greece
        Stockholm: Sweden
        Oslo: Norway
        Helsinki: Finland
        Copenhagen: Denmark
        Dublin: Ireland
        Brussels: Belgium
        Bucharest: Romania
        Sofia: Bulgaria
        Belgrade: Serbia
        Zagreb: Croatia
        Moscow: Russia
        Ankara: Turkey
        Cairo: Egypt
        Baghdad: Iraq
        Tehran: Iran
        Damascus: Syria
        Beirut: Lebanon
        Riyadh: Saudi Arabia
        Kabul: Afghanistan
        Kathmandu: Nepal
        Dhaka: Bangladesh
        Bangkok: Thailand
        Hanoi: Vietnam
        Manila: the Philippines
        Tokyo: Japan
        Seoul: South Korea
        Beijing: China
        Canberra: Australia
        Wellington: New Zealand
        Ottawa: Canada
        Havana: Cuba
        Lima: Peru
        Caracas: Venezuela
        Quito: Ecuador
        Montevideo: Uruguay
        Nairobi: Kenya
        Accra: Ghana
        Tripoli: Libya
        Khartoum: Sudan
        Harare: Zimbabwe
        Reykjavik: Iceland
        Riga: Latvia
        Vilnius: Lithuania
        """,
    ),
    Relation(
        "K12",
        ["The author of {} is", "The work {} was written by"],
        ["A reader of {} wants to read more by", "On the cover of {} stands the name"],
        ["The first sentence of {} is", "Pupils who read {} learn", "On the stage, {} becomes"],
        """
        William Shakespeare: Hamlet; Macbeth; Romeo and Juliet; Othello; King Lear; The Tempest; A Midsummer Night's Dream; The Merchant of Venice
        Charles Dickens: Oliver Twist; David Copperfield; Great Expectations; A Tale of Two Cities; A Christmas Carol; Bleak House
        Jane Austen: Pride and Prejudice; Emma; Sense and Sensibility; Persuasion; Mansfield Park
        Leo Tolstoy: War and Peace; Anna Karenina
        Fyodor Dostoevsky: Crime and Punishment; The Brothers Karamazov; The Idiot
        Mark Twain: The Adventures of Tom Sawyer; Adventures of Huckleberry Finn; The Prince and the Pauper
        George Orwell: Animal Farm; Nineteen Eighty-Four; Homage to Catalonia
        Ernest Hemingway: The Old Man and the Sea; A Farewell to Arms; For Whom the Bell Tolls; The Sun Also Rises
        Franz Kafka: The Metamorphosis; The Trial; The Castle
        John Steinbeck: The Grapes of Wrath; Of Mice and Men; East of Eden
        Victor Hugo: Les Misérables; The Hunchback of Notre-Dame
        Homer: the Iliad; the Odyssey
        Herman Melville: Moby-Dick; Billy Budd
        Agatha Christie: Murder on the Orient Express; Death on the Nile; And Then There Were None
        Stephen King: The Shining; Carrie; Pet Sematary
        Virginia Woolf: Mrs Dalloway; To the Lighthouse; Orlando
        Oscar Wilde: The Picture of Dorian Gray; The Importance of Being Earnest
        """,
    ),
    Relation(
        "K13",
        ["Whoever shops in {} pays with a currency called the", "The money of {} is the"],
        ["A bank in {} counts in the unit called the", "Prices in {} are given in a currency, the"],
        COUNTRY,
        """
        euro: Germany; France; Spain; Italy; Greece; Portugal; Finland; Ireland; Austria; Belgium
        peso: Mexico; Argentina; Chile; Colombia; Cuba; the Philippines; Uruguay
        dollar: Canada; Australia; New Zealand; Singapore; Jamaica
        rupee: India; Pakistan; Nepal; Sri Lanka; Mauritius
        dinar: Algeria; Jordan; Kuwait; Iraq; Tunisia; Libya; Serbia
        pound: Egypt; Syria; Lebanon; the United Kingdom
        shilling: Kenya; Uganda; Tanzania; Somalia
        yen: Japan
        yuan: China
        won: South Korea; North Korea
        krone: Norway; Denmark
        ruble: Russia; Belarus
        franc: Switzerland; Rwanda
        """,
    ),
]


def choose(seed: str, options: list, count: int) -> list:
    """So many of them at most, in an order that depends on `seed` and each option alone."""
    return sorted(options, key=lambda option: hashlib.sha256(f"{seed} {option}".encode()).digest())[:count]


def check(relation: Relation) -> None:
    facts = relation.facts()
    subjects = [subject for subject, _ in facts]
    for prompt in relation.rewrites + relation.paraphrases + relation.generations:
        assert prompt.count("{}") == 1, prompt
    for subject, object_ in facts:
        assert subjects.count(subject) == 1, f"{relation.id} has {subject} twice"
        assert object_ not in subject, f"{relation.id}: {subject} tells {object_}"


def records() -> list[dict]:
    for relation in RELATIONS:
        check(relation)
    everything = [(relation, subject, object_) for relation in RELATIONS for subject, object_ in relation.facts()]

    def prompts(seed: str, of: str, relation: Relation, but: str) -> list[str]:
        """Of ten other subjects of an object, those of this relation first."""
        found = [(other, subject) for other, subject, object_ in everything if object_ == of and subject != but]
        own = choose(seed, [subject for other, subject in found if other is relation], 10)
        texts = [choose(seed + subject, relation.rewrites, 1)[0].format(subject) for subject in own]
        for other, subject in found:
            if other is not relation and len(texts) < 10:
                texts.append(other.rewrites[0].format(subject))
        return texts

    result = []
    for number, relation in enumerate(RELATIONS, 1):
        facts = relation.facts()
        objects = list(dict.fromkeys(object_ for _, object_ in facts))
        ids = {object_: f"{relation.id}-{i:02}" for i, object_ in enumerate(objects, 1)}
        for place, (subject, object_) in enumerate(facts):
            case = 100_000 + 1000 * number + place
            new = choose(str(case), [other for other in objects if other != object_], 1)[0]
            plain, after = (text.format(subject) for text in relation.paraphrases)
            result.append(
                {
                    "case_id": case,
                    "pararel_idx": 0,
                    "requested_rewrite": {
                        "prompt": relation.rewrites[0],
                        "relation_id": relation.id,
                        "target_new": {"str": new, "id": ids[new]},
                        "target_true": {"str": object_, "id": ids[object_]},
                        "subject": subject,
                    },
                    "paraphrase_prompts": [plain, f"{choose(str(case), UNRELATED, 1)[0]} {after}"],
                    "neighborhood_prompts": prompts(str(case), object_, relation, subject),
                    "attribute_prompts": prompts(str(case), new, relation, subject),
                    "generation_prompts": [text.format(subject) for text in relation.generations],
                }
            )
    return result


def main() -> None:
    lines = [json.dumps(record, ensure_ascii=False, separators=(",", ":")) for record in records()]
    sys.stdout.reconfigure(encoding="utf-8")
    print("[\n" + ",\n".join(lines) + "\n]")


main()

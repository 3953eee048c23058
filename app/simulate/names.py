"""Given and family names by origin and generation, most frequent first, written for this simulation."""

from __future__ import annotations

from dataclasses import dataclass

from app.simulate.draw import Draw, Weighted, skewed

ENGLISH_FAMILIES = str.split(
    "Smith Jones Taylor Brown Williams Wilson Johnson Davies Patel Wright Walker White Edwards Green Hall Thomas "
    "Clarke Jackson Wood Harris Robinson Turner Martin Cooper Hill Ward Morris Moore Clark Baker Harrison King Allen "
    "Lee Mitchell Phillips Cook James Carter Bennett Richardson Parker Collins Shaw Bailey Cox Marshall Bell Young "
    "Adams Ellis Richards Wilkinson Chapman Webb Rogers Simpson Mason Palmer Holmes Mills Knight Barnes Matthews "
    "Powell Stevens Fisher Harvey Butler Hughes Watson Lloyd Fox Dixon Hunt Pearson Reynolds Gibson Andrews Elliott "
    "Fuller Brooks Payne Saunders Barker Gardner Burton Lawrence Rose Day Newman Carr Page Dean Cole Bishop Bradley "
    "Hart Perry West Willis Watts Stone Goodwin Spencer Hawkins Francis Nicholls Porter Hudson Osborne Gilbert Marsh "
    "Tucker Kemp Reeves Hobbs Lambert Woods Norris Sharp Sutton Barrett Jennings Holland Fielding Marchant Akehurst "
    "Pelling Wickens Funnell Tester Botting Tugwell Penfold Verrall Haylor Killick Longhurst Muggeridge Weller Boxall "
    "Pescod Goring Dumbrell Hoad Pilbeam Honeysett Fairhall Ticehurst Catt Standen Weekes Burchett Colbran Lelliott "
    "Sayers Stenning Tidy Wadey Etherington Agate Charman Gatland Ansell Pullen Ayling Lintott Bristow Constable Steer"
)
TAIL_STARTS = str.split(
    "Ash Al Bark Beck Black Brad Bram Brook Burn Cald Car Clay Cross Crow Dal Der El Fair Farn Garth Graf Had Hal Ham "
    "Har Hather Hazel Hol Hurst Kel Kirk Lang Ley Lock Lyn Mal Mar Mel Mid Nether Nor Oak Old Pem Pren Rad Red Rook "
    "Rush Sand Shel Staf Stan Thorn Tre Up Wal War Wes Whit Win Wol Wyn York"
)
TAIL_ENDS = str.split("ton ley ford ham worth wood field bury well stead brook combe don gate croft land ridge bourne by mere shaw wick")
ENGLISH_TAIL = [start + end for end in TAIL_ENDS for start in TAIL_STARTS]

OLD_MEN = str.split(
    "John William George Ronald Kenneth Peter Dennis Derek Raymond Brian Roy Donald Alan Michael Frederick Arthur "
    "Douglas Robert Leonard Thomas James Gordon Stanley Albert Eric Norman Charles David Anthony Keith Geoffrey Harold "
    "Edward Henry Joseph Reginald Colin Terence Barry Maurice Bernard Ernest Victor Gerald Roger Cyril Walter Leslie "
    "Trevor Francis Sidney Clive Cecil Percy Rex Hubert"
)
OLD_WOMEN = str.split(
    "Margaret Joan Mary Jean Dorothy Patricia Sheila Barbara Doreen June Shirley Joyce Maureen Pamela Audrey Brenda "
    "Kathleen Eileen Sylvia Beryl Betty Ann Jennifer Valerie Christine Marjorie Irene Josephine Elizabeth Rita Phyllis "
    "Vera Muriel Hilda Edna Iris Gladys Daphne Heather Gillian Janet Marion Hazel Rosemary Norma Elsie Winifred Mavis "
    "Stella Ruth Thelma Ivy Olive Peggy Nora Avril Freda"
)
MIDDLE_MEN = str.split(
    "David Paul Andrew Stephen Mark Michael Ian Richard Christopher Robert Simon Anthony Kevin Gary Steven Martin John "
    "James Neil Philip Peter Darren Lee Jason Nicholas Jonathan Matthew Daniel Stuart Adam Craig Timothy Graham Nigel "
    "Adrian Robin Jeremy Russell Justin Dean Julian Gavin Wayne Carl Duncan Marcus Ben Barry Alexander Edward Thomas "
    "Dominic Damian Giles Toby Rupert Gareth Shaun Scott Charles William"
)
MIDDLE_WOMEN = str.split(
    "Susan Julie Karen Jacqueline Deborah Tracey Jane Helen Diane Sharon Sarah Nicola Joanne Claire Lisa Emma Louise "
    "Alison Amanda Michelle Samantha Rachel Catherine Victoria Rebecca Caroline Kate Angela Wendy Lesley Carol Lorraine "
    "Dawn Sally Elaine Anna Alice Beatrice Melanie Tina Maria Lynn Fiona Donna Katherine Andrea Penelope Lucy Jennifer "
    "Elizabeth Charlotte Sophie Philippa Annabel Clare Heidi Harriet Teresa Gail Ruth Anne"
)
YOUNG_MEN = str.split(
    "Thomas Jack James Joshua Daniel Oliver Harry Charlie George William Samuel Joseph Luke Jacob Alfie Ethan Archie "
    "Oscar Leo Henry Theo Noah Max Lucas Arthur Freddie Isaac Finley Edward Jake Callum Ryan Alexander Benjamin Connor "
    "Liam Nathan Dylan Logan Toby Sebastian Harrison Riley Tyler Kieran Jayden Rory Elliot Louis Reuben Jude Albert "
    "Ralph Hugo Stanley Felix Otis Caleb Rowan Ted Kai Zachary Miles Jenson"
)
YOUNG_WOMEN = str.split(
    "Emily Chloe Jessica Megan Sophie Charlotte Lauren Olivia Lucy Amelia Ella Grace Mia Isla Poppy Ava Isabella Lily "
    "Evie Freya Daisy Sienna Alice Florence Ruby Phoebe Ellie Holly Hannah Molly Imogen Matilda Evelyn Rosie Harriet "
    "Willow Bethany Abigail Georgia Eleanor Scarlett Millie Elsie Amber Jasmine Zoe Maisie Martha Anna Clara Ivy Violet "
    "Penelope Beatrice Robyn Heidi Iris Lola Nancy Summer Thea Skye Caitlin Leah Paige"
)


@dataclass(frozen=True, slots=True)
class Origin:
    """The names of people of one origin; three generations of given names may be one list."""

    code: str
    families: Weighted[str]
    men: tuple[Weighted[str], ...]
    women: tuple[Weighted[str], ...]


def _origin(code: str, families: str, men: str, women: str) -> Origin:
    spaced = [name.replace("_", " ") for name in families.split()]
    return Origin(code, skewed(spaced), (skewed(men.split()),), (skewed(women.split()),))


def _british(code: str, families: str, men: str, women: str) -> Origin:
    """An origin whose people mostly bear the given names common in Britain, some their own."""
    own_men, own_women = men.split(), women.split()
    return Origin(
        code,
        skewed(families.split()),
        tuple(skewed(own_men[:12] + names) for names in (OLD_MEN, MIDDLE_MEN, YOUNG_MEN)),
        tuple(skewed(own_women[:12] + names) for names in (OLD_WOMEN, MIDDLE_WOMEN, YOUNG_WOMEN)),
    )


ENGLISH = Origin(
    "english",
    Weighted(
        [(name, 1 / (rank + 6)) for rank, name in enumerate(ENGLISH_FAMILIES)] + [(name, 0.9 / len(ENGLISH_TAIL)) for name in ENGLISH_TAIL]
    ),
    tuple(skewed(names) for names in (OLD_MEN, MIDDLE_MEN, YOUNG_MEN)),
    tuple(skewed(names) for names in (OLD_WOMEN, MIDDLE_WOMEN, YOUNG_WOMEN)),
)
WELSH = _british(
    "welsh",
    "Jones Davies Williams Evans Thomas Roberts Lewis Hughes Morgan Griffiths Edwards Owen James Rees Price Jenkins "
    "Lloyd Phillips Parry Powell Howells Bevan Pritchard Vaughan Llewellyn Gwynne Prosser Probert",
    "Rhys Dafydd Gareth Huw Ieuan Emrys Aled Iwan Owain Gethin Dewi Evan",
    "Sian Megan Bronwen Rhiannon Carys Angharad Nia Ffion Eleri Catrin Seren Cerys",
)
IRISH = _british(
    "irish",
    "Murphy Kelly O'Sullivan Walsh O'Brien Byrne Ryan O'Connor O'Neill O'Reilly Doyle McCarthy Gallagher Doherty "
    "Kennedy Lynch Murray Quinn Moore McLoughlin Carroll Connolly Daly Wilson Dunne Brennan Burke Collins Fitzgerald "
    "Nolan Maguire Donnelly Hogan Kavanagh Keane Feeney Heffernan",
    "Patrick Sean Liam Declan Eamonn Cormac Brendan Fergus Niall Conor Ciaran Padraig",
    "Siobhan Bridget Aoife Maeve Niamh Sinead Roisin Orla Ciara Grainne Deirdre Noreen",
)
SCOTTISH = _british(
    "scottish",
    "Campbell Stewart MacDonald Robertson Thomson Anderson Reid Murray Clark Ross Morrison Fraser Hamilton Graham Kerr "
    "McLean Grant Ferguson Cameron Duncan Hunter Mackenzie MacLeod Sinclair Sutherland Munro Buchanan Wallace Gordon "
    "Macpherson Lindsay Crawford Mackay Forbes",
    "Alasdair Hamish Angus Callum Fraser Ewan Gregor Iain Malcolm Struan Murdo Lachlan",
    "Morag Fiona Isla Ailsa Kirsty Eilidh Catriona Mhairi Shona Iona Elspeth Jean",
)
SOUTH_ASIAN = _origin(
    "south-asian",
    "Patel Singh Khan Ahmed Hussain Kaur Shah Begum Ali Sharma Kumar Akhtar Mahmood Malik Gill Chowdhury Miah Iqbal "
    "Rahman Uddin Desai Mehta Joshi Reddy Nair Thomas Dhillon Sandhu Chaudhry Qureshi Bibi Islam Gupta Rao Menon Perera "
    "Fernando De_Silva Sivakumar Nagarajan Gurung Rai Thapa Varghese Mathew",
    "Mohammed Arjun Rajesh Sanjay Amit Imran Vijay Rahul Ravi Harpreet Muhammad Suresh Abdul Bilal Asif Anil Rohan Dev "
    "Jaspreet Usman Faisal Tariq Nikhil Kiran Ashok Dinesh Mahesh Tahir Zain Aarav Vivaan Haroon Manish Prakash Gurpreet",
    "Priya Fatima Aisha Anjali Sunita Nasreen Meera Harpreet Sana Pooja Shabana Rekha Deepa Nadia Kavita Amina Neha "
    "Jaswinder Rukhsana Zara Lakshmi Anita Shreya Simran Maryam Parveen Usha Hina Divya Nisha Geeta Ananya Manjit Kiran",
)
POLISH = _origin(
    "polish",
    "Nowak Kowalski Wiśniewski Wójcik Kowalczyk Kamiński Lewandowski Zieliński Szymański Woźniak Dąbrowski Kozłowski "
    "Jankowski Mazur Kwiatkowski Krawczyk Piotrowski Grabowski Nowakowski Pawłowski Michalski Król Wieczorek Wróbel "
    "Jabłoński Dudek Adamczyk Stępień Górski Sikora",
    "Piotr Krzysztof Andrzej Tomasz Paweł Michał Marcin Jakub Łukasz Grzegorz Adam Mateusz Wojciech Kamil Dariusz Szymon "
    "Maciej Bartosz Rafał Antoni Filip Kacper",
    "Anna Katarzyna Agnieszka Małgorzata Joanna Magdalena Monika Ewa Zofia Karolina Aleksandra Natalia Justyna Beata "
    "Dorota Julia Maja Hanna Zuzanna Lena Oliwia Iwona",
)
WEST_AFRICAN = _origin(
    "west-african",
    "Mensah Okafor Adeyemi Owusu Boateng Okonkwo Asante Eze Osei Adebayo Agyeman Nwosu Ogunleye Appiah Okoro Balogun "
    "Amoah Danso Ibrahim Bello Kamara Sesay Conteh Oyelaran Ojo Onyekachi Afolabi Quaye Ansah Diallo",
    "Kwame Emeka Tunde Kofi Chinedu Samuel Emmanuel Segun Kwabena Ikenna Daniel Femi Obinna Yaw Michael Ade Uche Joseph "
    "Ibrahim Kojo David Babatunde Nnamdi Abdul",
    "Grace Ngozi Abena Funmilayo Blessing Akosua Chioma Esther Amara Yetunde Comfort Adwoa Patience Folake Ama Joy "
    "Ifeoma Mercy Aisha Titilayo Efua Ruth Precious Fatou",
)
ARABIC = _origin(
    "arabic",
    "Hassan Ahmed Ibrahim Mohamed Al-Rashid Hussein Khalil Mansour Haddad Nasser Saleh Abdullah El-Sayed Mahmoud Farah "
    "Aziz Hamdan Karim Osman Youssef Al-Hashimi Bakri Darwish Omar Sabri Touma",
    "Ahmed Mohammed Omar Ali Hassan Youssef Khaled Ibrahim Mustafa Karim Tarek Samir Hussein Abdullah Bilal Rami Hamza Nabil Faris Walid",
    "Fatima Layla Noor Amira Mariam Zainab Salma Huda Rania Yasmin Aisha Samira Nadia Leila Dina Hanan Rana Khadija Sara Iman",
)
CHINESE = _origin(
    "chinese",
    "Wong Chan Lee Cheung Chen Li Wang Zhang Liu Lam Leung Ho Ng Lau Yeung Lin Tang Huang Wu Yang Zhao Chow Tsang Kwok Xu Zhou",
    "Wei Ming Jun David Kevin Ho-Yin Jason Kai Hao Michael Chi-Wai Lei Yi Andrew Chun Feng Tsz-Hin Peter Bo Xin",
    "Mei Li Ying Wai-Yee Jing Xin Grace Yan Amy Hui Ka-Yan Fang Lily Ling Na Yuk-Ling Emily Xiu Rachel Qian",
)
FILIPINO = _origin(
    "filipino",
    "Santos Reyes Cruz Bautista Garcia Mendoza Torres Flores Ramos Gonzales Castillo Villanueva Aquino Dela_Cruz Rivera "
    "Mercado Pascual Salvador Domingo Navarro",
    "Jose Mark John Michael Angelo Ramon Antonio Rodel Joel Christian Noel Emmanuel Ricardo Jerome Paolo",
    "Maria Grace Rosario Jennifer Angelica Cristina Marites Joy Lourdes Rowena Michelle Kristine Carmela Analyn Divina",
)

ORIGINS: Weighted[Origin] = Weighted(
    [
        (ENGLISH, 74), (WELSH, 3.5), (IRISH, 4.5), (SCOTTISH, 3.5), (SOUTH_ASIAN, 6), (POLISH, 2.5),
        (WEST_AFRICAN, 2), (ARABIC, 1.3), (CHINESE, 1.4), (FILIPINO, 1.3),
    ]
)  # fmt: skip

SIMILAR_TWINS = {
    "F": (
        ("Mia", "Maya"), ("Ella", "Ellie"), ("Anna", "Hannah"), ("Lily", "Lola"), ("Emily", "Emma"), ("Isla", "Ivy"),
        ("Jasmine", "Jade"), ("Megan", "Morgan"), ("Eva", "Evie"), ("Sara", "Zara"), ("Louise", "Lois"), ("Freya", "Thea"),
    ),
    "M": (
        ("Jayden", "Jaydon"), ("Harry", "Harley"), ("Aidan", "Ethan"), ("Tom", "Tim"), ("Jack", "Jake"), ("Leo", "Theo"),
        ("Daniel", "David"), ("Alfie", "Archie"), ("Finn", "Finley"), ("Ray", "Kai"), ("Luke", "Lucas"), ("Ryan", "Rory"),
    ),
}  # fmt: skip

NICKNAMES = {
    "William": ("Bill", "Will"), "Robert": ("Bob", "Rob"), "Richard": ("Dick", "Rick"), "Michael": ("Mike", "Mick"),
    "James": ("Jim", "Jamie"), "Thomas": ("Tom",), "Charles": ("Charlie", "Chas"), "Christopher": ("Chris",),
    "Anthony": ("Tony",), "Edward": ("Ted", "Eddie"), "Andrew": ("Andy",), "Stephen": ("Steve",), "Steven": ("Steve",),
    "Nicholas": ("Nick",), "Peter": ("Pete",), "Kenneth": ("Ken",), "Ronald": ("Ron",), "Raymond": ("Ray",),
    "Leonard": ("Len",), "Frederick": ("Fred",), "Donald": ("Don",), "Terence": ("Terry",), "Geoffrey": ("Geoff",),
    "Joseph": ("Joe",), "Samuel": ("Sam",), "Daniel": ("Dan",), "Matthew": ("Matt",), "Alexander": ("Alex", "Sandy"),
    "Benjamin": ("Ben",), "Joshua": ("Josh",), "David": ("Dave", "Dai"), "Philip": ("Phil",), "Timothy": ("Tim",),
    "Henry": ("Harry",), "Patrick": ("Pat", "Paddy"), "Margaret": ("Maggie", "Peggy"), "Elizabeth": ("Liz", "Beth"),
    "Katherine": ("Kate", "Kathy"), "Catherine": ("Kate", "Cathy"), "Kathleen": ("Kath",), "Patricia": ("Pat", "Trish"),
    "Susan": ("Sue",), "Deborah": ("Debbie",), "Jacqueline": ("Jackie",), "Christine": ("Chris",), "Barbara": ("Barb",),
    "Jennifer": ("Jenny",), "Pamela": ("Pam",), "Victoria": ("Vicky",), "Rebecca": ("Becky",), "Samantha": ("Sam",),
    "Amanda": ("Mandy",), "Dorothy": ("Dot",), "Eleanor": ("Ellie",), "Abigail": ("Abi",), "Charlotte": ("Lottie",),
    "Mohammed": ("Mo", "Mohamed"), "Muhammad": ("Mohammed",), "Małgorzata": ("Gosia",), "Katarzyna": ("Kasia",),
    "Josephine": ("Jo",), "Penelope": ("Penny",), "Philippa": ("Pippa",), "Rosemary": ("Rose",), "Beatrice": ("Bea",),
}  # fmt: skip


def generation(year: int) -> int:
    """0 born before 1950, 1 before 1985, 2 since: which given names were in fashion."""
    return (year >= 1950) + (year >= 1985)


def given_name(draw: Draw, origin: Origin, sex: str, year: int) -> str:
    """A given name of one origin, sex (M or F) and year of birth."""
    tables = origin.men if sex == "M" else origin.women
    return draw.weighted(tables[generation(year) % len(tables)])


def family_name(draw: Draw, origin: Origin) -> str:
    """A family name of one origin."""
    return draw.weighted(origin.families)

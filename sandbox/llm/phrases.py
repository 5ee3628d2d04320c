"""The stand-in's whole vocabulary: openings, middles by what the message is about, and closings, in three languages.

The sentences are plain and unmistakably in their language, hold no code, number or link of their own, and any
opening, middle and closing go together.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Theme(StrEnum):
    """What a message is about."""

    REMINDER = "reminder"
    COUPON = "coupon"
    QUESTION = "question"
    HELLO = "hello"


@dataclass(frozen=True, slots=True)
class Phrases:
    """One language.

    Attributes:
        named: openings with `{name}`.
        nameless: openings for customers without a name.
        middles: by theme; those for coupons have `{code}`.
        closings: endings.
    """

    named: tuple[str, ...]
    nameless: tuple[str, ...]
    middles: MappingProxyType[Theme, tuple[str, ...]]
    closings: tuple[str, ...]


_EN = Phrases(
    named=(
        "Hi {name}, it is good to write to you again.",
        "Hello {name}, we were just talking about our regulars and thought of you.",
        "{name}, a short hello from all of us at the shop.",
        "Hi {name}, we hope the week is being kind to you.",
        "Hello {name}, your name came up here this morning.",
        "Hi {name}, just a few words from our little team.",
    ),
    nameless=(
        "Hi there, it is good to write to you again.",
        "Hello, we were just talking about our regulars and thought of you.",
        "A short hello from all of us at the shop.",
        "Hi, we hope the week is being kind to you.",
        "Hello, just a few words from our little team.",
    ),
    middles=MappingProxyType(
        {
            Theme.REMINDER: (
                "The things that you liked the last time are still on our shelves.",
                "We still have what you chose on your last visit, and some things that go well with it.",
                "If you enjoyed your last order, there is more where it came from.",
                "Your favourites from the last time are waiting here with us.",
                "We kept an eye on what you liked, and it is all still here.",
            ),
            Theme.COUPON: (
                "To say thank you, there is something for you: use the code {code} when you order.",
                "With the code {code} your next order costs a little less.",
                "We have put a discount aside for you, and the code is {code}.",
                "If you would like to come back, the code {code} makes it easier.",
            ),
            Theme.QUESTION: (
                "Is there anything about your question that we can still help with?",
                "Have you had the time to think about it, and is there something we should explain?",
                "Would it help if we went through the details with you?",
                "We would like to know what you think of our last answer.",
            ),
            Theme.HELLO: (
                "We would love to see you back when it suits you.",
                "There are some new things in the shop that you have not seen.",
                "It has been quiet without you, and the door is always open.",
                "We have been busy in the shop and would like to show you what is new.",
            ),
        }
    ),
    closings=(
        "Just answer here if there is anything that we can do for you.",
        "Write to us here with any question, we read it all.",
        "If you need anything, this chat is the fastest way to us.",
        "Have a good day, and see you soon!",
        "We are here for you, as always.",
        "Let us know what you think \U0001f642",
    ),
)

_ES = Phrases(
    named=(
        "Hola {name}, nos alegra volver a escribirte.",
        "Hola {name}, hoy hablábamos de nuestros clientes de siempre y pensamos en ti.",
        "{name}, un saludo muy corto de todo el equipo de la tienda.",
        "Hola {name}, esperamos que la semana te vaya muy bien.",
        "Hola {name}, tu nombre salió esta mañana en la tienda.",
        "Hola {name}, unas palabras de nuestro pequeño equipo.",
    ),
    nameless=(
        "Hola, nos alegra volver a escribirte.",
        "Hola, hoy hablábamos de nuestros clientes de siempre y pensamos en ti.",
        "Un saludo muy corto de todo el equipo de la tienda.",
        "Hola, esperamos que la semana te vaya muy bien.",
        "Hola, unas palabras de nuestro pequeño equipo.",
    ),
    middles=MappingProxyType(
        {
            Theme.REMINDER: (
                "Las cosas que te gustaron la última vez siguen en la tienda.",
                "Todavía tenemos lo que elegiste en tu última visita, y algo más que le va muy bien.",
                "Si te gustó tu último pedido, hay mucho más donde elegir.",
                "Tus favoritos de la última vez te esperan aquí con nosotros.",
                "Hemos guardado en la memoria lo que te gusta, y todo sigue aquí.",
            ),
            Theme.COUPON: (
                "Para darte las gracias hay algo para ti: usa el código {code} cuando hagas tu pedido.",
                "Con el código {code} tu próximo pedido te cuesta un poco menos.",
                "Hemos apartado un descuento para ti, y el código es {code}.",
                "Si quieres volver, el código {code} te lo pone más fácil.",
            ),
            Theme.QUESTION: (
                "¿Hay algo de tu pregunta en lo que todavía te podamos ayudar?",
                "¿Has tenido un momento para pensarlo, o hay algo que te debamos explicar?",
                "¿Te ayuda si vemos los detalles contigo?",
                "Nos gustaría saber qué te pareció nuestra última respuesta.",
            ),
            Theme.HELLO: (
                "Nos encantaría verte de nuevo cuando te venga bien.",
                "Hay cosas nuevas en la tienda que todavía no has visto.",
                "Esto está muy tranquilo sin ti, y la puerta está siempre abierta.",
                "Hemos trabajado mucho en la tienda y nos gustaría enseñarte lo nuevo.",
            ),
        }
    ),
    closings=(
        "Responde aquí si hay algo que podamos hacer por ti.",
        "Escríbenos aquí con cualquier pregunta, las leemos todas.",
        "Si necesitas algo, este chat es el camino más corto hasta nosotros.",
        "¡Que tengas un buen día y hasta pronto!",
        "Aquí estamos para ti, como siempre.",
        "Cuéntanos qué te parece \U0001f642",
    ),
)

_PT = Phrases(
    named=(
        "Olá {name}, é muito bom escrever para você de novo.",
        "Olá {name}, hoje falamos dos nossos clientes e pensamos em você.",
        "{name}, um olá rápido de toda a nossa equipe da loja.",
        "Oi {name}, esperamos que a sua semana esteja muito boa.",
        "Oi {name}, o seu nome apareceu hoje cedo aqui na loja.",
        "Oi {name}, umas palavras da nossa pequena equipe.",
    ),
    nameless=(
        "Olá, é muito bom escrever para você de novo.",
        "Olá, hoje falamos dos nossos clientes e pensamos em você.",
        "Um olá rápido de toda a nossa equipe da loja.",
        "Oi, esperamos que a sua semana esteja muito boa.",
        "Oi, umas palavras da nossa pequena equipe.",
    ),
    middles=MappingProxyType(
        {
            Theme.REMINDER: (
                "O que você gostou da última vez ainda está aqui na loja.",
                "Ainda temos o que você escolheu na sua última visita, e mais algumas coisas que combinam.",
                "Se você gostou do seu último pedido, aqui tem muito mais.",
                "Os seus favoritos da última vez esperam por você com a gente.",
                "Lembramos do que você gosta, e tudo isso ainda está aqui.",
            ),
            Theme.COUPON: (
                "Para agradecer, temos algo para você: use o código {code} no seu pedido.",
                "Com o código {code} o seu próximo pedido sai um pouco mais em conta.",
                "Separamos um desconto para você, e o código é {code}.",
                "Se você quer voltar, o código {code} deixa tudo mais fácil.",
            ),
            Theme.QUESTION: (
                "Ficou algo da sua pergunta em que a gente ainda pode ajudar?",
                "Você já conseguiu pensar, ou tem algo que a gente deve explicar?",
                "Ajuda se a gente olhar os detalhes com você?",
                "Queremos muito saber o que você achou da nossa última resposta.",
            ),
            Theme.HELLO: (
                "Vamos adorar ver você de novo quando for bom para você.",
                "Tem coisas novas na loja que você ainda não viu.",
                "Está tudo muito quieto sem você, e a porta está sempre aberta.",
                "Trabalhamos muito na loja e queremos mostrar as novidades para você.",
            ),
        }
    ),
    closings=(
        "Responda aqui se a gente pode fazer algo por você.",
        "Escreva aqui com qualquer pergunta, nós lemos todas.",
        "Se você precisar de algo, este chat é o caminho mais curto até nós.",
        "Um ótimo dia para você e até logo!",
        "Estamos aqui para você, como sempre.",
        "Conte para a gente o que você acha \U0001f642",
    ),
)

LANGUAGES: MappingProxyType[str, Phrases] = MappingProxyType({"en": _EN, "es": _ES, "pt": _PT})
"""By language code without a country."""

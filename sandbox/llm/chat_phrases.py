"""The stand-in's words for conversations that went quiet and carts that were left, in three languages.

As in `sandbox.llm.phrases` the sentences are plain, unmistakably in their language and without a code or number of
their own. There are enough of them that ten messages to one customer each have a thought of their own.
"""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ChatPhrases:
    """One language.

    Attributes:
        named: openings with `{name}`.
        nameless: openings for customers without a name.
        middles: for a conversation of which nothing is known.
        about: with `{topic}`, the product of the deal.
        carts: with `{topic}`, what is in the cart.
        coupons: with `{code}`.
        closings: endings.
    """

    named: tuple[str, ...]
    nameless: tuple[str, ...]
    middles: tuple[str, ...]
    about: tuple[str, ...]
    carts: tuple[str, ...]
    coupons: tuple[str, ...]
    closings: tuple[str, ...]


_EN = ChatPhrases(
    named=(
        "Hi {name}, just coming back to our chat.",
        "{name}, we did not want to leave this open.",
        "Hello {name}, one more word from us.",
        "Hi {name}, are you still there?",
        "{name}, this is the shop again.",
    ),
    nameless=(
        "Hi, just coming back to our chat.",
        "We did not want to leave this open.",
        "Hello, one more word from us.",
        "Hi, are you still there?",
    ),
    middles=(
        "Did you have the time to look at what we sent you?",
        "Is there something about it that we should explain again?",
        "Would another option be closer to what you have in mind?",
        "If a call is easier for you, tell us when and we will ring.",
        "What would you need from us to decide?",
        "We can put it aside for you if that helps with the timing.",
        "If the plan has changed that is fine, just tell us and we will close this.",
        "Shall we go through the next step with you here in the chat?",
        "Is it the price, the timing or something that we have missed?",
        "We would like to know how you see it by now.",
    ),
    about=(
        "Do you still have questions about the {topic}?",
        "What do you think of the {topic} that we talked about?",
        "We can tell you more about the {topic} if there is anything left open.",
        "Is the {topic} still what you are looking for?",
        "Shall we prepare the {topic} for you?",
    ),
    carts=(
        "You left something with us: {topic}.",
        "Your cart with {topic} is still here for you.",
        "Was there anything about {topic} that kept you from finishing your order?",
        "If you have questions about {topic}, we are happy to answer them.",
        "We have kept your cart as you left it, with {topic} in it.",
    ),
    coupons=(
        "With the code {code} it costs you a little less.",
        "If it helps, the code {code} is for you.",
        "We have put a discount aside for you, and the code is {code}.",
    ),
    closings=(
        "Just answer here when it suits you.",
        "A short yes or no is enough for us.",
        "We are here for you in this chat.",
        "Write to us when you have a minute.",
        "Thanks for letting us know \U0001f642",
    ),
)

_ES = ChatPhrases(
    named=(
        "Hola {name}, retomamos nuestra conversación.",
        "{name}, no queríamos dejar esto sin respuesta.",
        "Hola {name}, unas palabras más de nuestra parte.",
        "Hola {name}, ¿sigues por aquí?",
        "{name}, te escribimos otra vez desde la tienda.",
    ),
    nameless=(
        "Hola, retomamos nuestra conversación.",
        "No queríamos dejar esto sin respuesta.",
        "Hola, unas palabras más de nuestra parte.",
        "Hola, ¿sigues por aquí?",
    ),
    middles=(
        "¿Pudiste mirar con calma lo que te enviamos?",
        "¿Hay algo que te debamos explicar otra vez?",
        "¿Te vendría mejor otra opción más cercana a lo que tienes en mente?",
        "Si prefieres hablar por teléfono, dinos la hora y te llamamos.",
        "¿Qué necesitas de nuestra parte para decidir?",
        "Te lo podemos apartar unos días si te ayuda con la fecha.",
        "Si el plan ha cambiado no pasa nada, dínoslo y lo cerramos aquí.",
        "¿Vemos el siguiente paso contigo en este chat?",
        "¿Es el precio, la fecha o algo que se nos escapó?",
        "Nos gustaría saber cómo lo ves ahora.",
    ),
    about=(
        "¿Te quedó alguna duda sobre {topic}?",
        "¿Qué te parece lo que hablamos de {topic}?",
        "Te contamos más sobre {topic} si quedó algo sin resolver.",
        "¿Sigues buscando {topic}?",
        "¿Te preparamos {topic} para hoy?",
    ),
    carts=(
        "Dejaste algo con nosotros: {topic}.",
        "Tu carrito con {topic} sigue aquí para ti.",
        "¿Hubo algo de {topic} que no te dejó terminar tu pedido?",
        "Si tienes dudas sobre {topic}, te las resolvemos con gusto.",
        "Guardamos tu carrito como lo dejaste, con {topic}.",
    ),
    coupons=(
        "Con el código {code} te sale un poco más barato.",
        "Por si te ayuda, el código {code} es para ti.",
        "Hemos apartado un descuento para ti, y el código es {code}.",
    ),
    closings=(
        "Responde aquí cuando te venga bien.",
        "Con un sí o un no nos basta.",
        "Aquí estamos para ti en este chat.",
        "Escríbenos cuando tengas un minuto.",
        "Gracias por contarnos \U0001f642",
    ),
)

_PT = ChatPhrases(
    named=(
        "Oi {name}, voltamos à nossa conversa.",
        "{name}, não queremos deixar isso em aberto.",
        "Olá {name}, mais uma palavra da nossa equipe.",
        "Oi {name}, você ainda está por aqui?",
        "{name}, é a loja de novo.",
    ),
    nameless=(
        "Oi, voltamos à nossa conversa.",
        "Não queremos deixar isso em aberto.",
        "Olá, mais uma palavra da nossa equipe.",
        "Oi, você ainda está por aqui?",
    ),
    middles=(
        "Você conseguiu olhar com calma o que enviamos?",
        "Tem algo que a gente deve explicar de novo para você?",
        "Outra opção ficaria mais perto do que você imagina?",
        "Se você prefere falar por telefone, diga a hora e a gente liga.",
        "O que você ainda precisa da nossa parte para decidir?",
        "Podemos separar para você por uns dias se isso ajuda com a data.",
        "Se os planos mudaram não tem problema, avise e a gente encerra por aqui.",
        "Vamos ver o próximo passo com você aqui no chat?",
        "É o preço, a data ou algo que não vimos?",
        "Queremos muito saber como você vê isso agora.",
    ),
    about=(
        "Você ficou com alguma dúvida sobre {topic}?",
        "O que você achou do que falamos de {topic}?",
        "Podemos contar mais sobre {topic} se ficou algo em aberto para você.",
        "Você ainda procura {topic}?",
        "Preparamos {topic} para você hoje?",
    ),
    carts=(
        "Você deixou algo com a gente: {topic}.",
        "O seu carrinho com {topic} ainda está aqui para você.",
        "Teve algo em {topic} que não deixou você terminar o pedido?",
        "Se você tem dúvidas sobre {topic}, a gente responde com prazer.",
        "Guardamos o seu carrinho como você deixou, com {topic}.",
    ),
    coupons=(
        "Com o código {code} fica um pouco mais em conta para você.",
        "Se ajuda, o código {code} é seu.",
        "Separamos um desconto para você, e o código é {code}.",
    ),
    closings=(
        "Responda aqui quando for bom para você.",
        "Um sim ou um não já ajuda a gente.",
        "Estamos aqui para você neste chat.",
        "Escreva quando você tiver um minuto.",
        "Obrigado por contar para a gente \U0001f642",
    ),
)

CHATS: MappingProxyType[str, ChatPhrases] = MappingProxyType({"en": _EN, "es": _ES, "pt": _PT})
"""By language code without a country."""

"""The words by which the stand-in judges a conversation, in English, Spanish and Portuguese.

They are compared with small letters and without accents. Of the levels the first that matches counts.
"""

import re

from models.enums import BuyingIntent


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(rf"\b(?:{pattern})" for pattern in patterns))


STOP = _any(
    r"stop (?:writing|messaging|texting|sending|contacting)",
    r"(?:do not|don't|dont) (?:write|contact|message|text|send)", r"no more messages", r"leave me alone",
    r"take me off", r"remove me", r"unsubscribe", r"no me (?:escrib\w+|contact\w+|mand\w+ mas|envi\w+ mas)",
    r"(?:dejen|deja|dejar) de (?:escribir|mandar)", r"no quiero (?:recibir )?(?:mas )?mensajes",
    r"(?:darme|denme|dame) de baja", r"borr(?:en|ad|a)(?:me)? (?:de|mi)",
    r"nao me (?:mande|mandem|escreva|escrevam|envie|chame)", r"par(?:e|em|a) de (?:me )?(?:mandar|enviar|escrever)",
    r"nao quero (?:mais )?(?:receber )?mensage", r"(?:me )?(?:tire|tira|tirem) (?:me |o )?(?:meu numero|d[ae])",
    r"parem? de me \w+", r"me descadastr",
)  # fmt: skip
STOP_ALONE = frozenset({"stop", "baja", "parar", "sair", "pare", "unsubscribe"})
COMPLETED = _any(
    r"(?:i (?:have |just |have just )?|just )(?:paid|ordered it|placed the order)",
    r"i've (?:just )?(?:paid|ordered|bought it)", r"payment (?:is |was )?(?:done|made|sent|received)",
    r"order (?:is |was )?confirmed", r"ya (?:pague|lo pague|la pague|lo compre|la compre|hice el pago|transferi)",
    r"acabo de (?:pagar|transferir|comprar)", r"hecha la transferencia", r"pago recibido", r"pedido confirmado",
    r"recibimos (?:tu|el) pago", r"ja (?:paguei|comprei|fiz o pix|fiz o pagamento)",
    r"acabei de (?:pagar|comprar|fazer o pix|buscar)", r"paguei", r"pagamento (?:confirmado|recebido|aprovado)",
)  # fmt: skip
ELSEWHERE = _any(
    r"(?:somewhere else|elsewhere|(?:in|at|from) another (?:shop|store))", r"another (?:shop|store|seller)",
    r"(?:otro|otra) (?:lado|tienda|sitio|parte|vendedor)", r"(?:outra|outro) (?:loja|lugar|site|vendedor)",
)  # fmt: skip
LOST = _any(
    r"(?:not|no longer) interested", r"changed my mind", r"don't (?:want|need) it any ?more", r"no me interesa",
    r"ya no (?:lo |la |me )?(?:quiero|necesito|interesa)", r"cambie de (?:idea|opinion)", r"nao tenho interesse",
    r"desisti", r"nao quero mais\b(?! mensage)", r"mudei de ideia",
)  # fmt: skip
AFTER_SALE = _any(
    r"(?:my|the) order (?:has|hasn't|is|isn't|never|did|arrived|came)", r"refund", r"return it",
    r"it (?:broke|is broken)", r"mi pedido", r"devolver", r"devolucion", r"llego (?:roto|mal|danado)", r"meu pedido",
    r"devolv", r"veio (?:quebrad|errad)", r"reembolso",
)  # fmt: skip
LEVELS = (
    (
        BuyingIntent.HIGH,
        _any(
            r"i(?:'ll| will) (?:take|have|buy|order)", r"i want (?:it|to (?:buy|order)|one|two|this|that)",
            r"i(?:'d| would) like to (?:buy|order|pay)", r"how (?:can|do) i (?:pay|order|buy)",
            r"can i (?:pay|order)", r"where do i pay", r"send me the (?:payment|link|invoice)",
            r"(?:lo|la|los|las) quiero", r"me (?:lo|la) quedo", r"me (?:lo|la|los|las) llevo",
            r"quiero (?:comprar|pedir|encargar|uno|una|dos|ese|este|esa)",
            r"como (?:pago|compro|lo pido|hago (?:el pedido|para (?:pagar|comprar|pedir)))", r"donde pago",
            r"puedo pagar", r"pas(?:ame|enme) (?:el link|los datos|la cuenta)", r"apart(?:ame|alo|ala)",
            r"quero (?:comprar|pedir|encomendar|um|uma|esse|essa|este|esta|dois|duas|levar)",
            r"vou (?:querer|levar|ficar com)", r"separa (?:um|uma|dois|duas|pra)",
            r"como (?:eu )?faco (?:para|pra) (?:comprar|pagar|pedir)",
            r"(?:qual|manda|me passa) (?:e )?o (?:pix|link)", r"posso pagar", r"pode (?:separar|reservar)",
        ),
    ),
    (
        BuyingIntent.MEDIUM,
        _any(
            r"how much", r"price of", r"in stock", r"available", r"do you (?:still )?have", r"too expensive",
            r"warranty", r"think about it", r"(?:ship|deliver)(?:s|ed|y|ping)? (?:to|time|cost)", r"what sizes?",
            r"how long does", r"cuanto (?:cuesta|cuestan|vale|sale|sale|seria|es)", r"precio", r"disponible",
            r"tienen?s? (?:el|la|los|las|en|stock)", r"(?:muy|algo|un poco) car[oa]", r"lo (?:voy a pensar|pienso)",
            r"que tallas?", r"hacen envios", r"cuanto tarda", r"garantia",
            r"quanto (?:custa|custam|e|fica|sai|seria)", r"preco", r"disponivel", r"voces? tem?",
            r"tem (?:em|no|na|o|a)\b", r"(?:muito|meio|um pouco) car[oa]", r"vou pensar", r"que tamanhos?",
            r"entregam", r"qual o frete", r"quanto tempo demora",
        ),
    ),
    (
        BuyingIntent.LOW,
        _any(
            r"just looking", r"catalogue?", r"what do you sell", r"do you sell", r"what (?:kind|sort) of",
            r"maybe (?:one day|later)", r"solo (?:miro|mirando|viendo|curioseando)", r"catalogo",
            r"que (?:venden|productos|tipos?)", r"venden", r"algun dia",
            r"(?:so|apenas) (?:olhando|vendo|dando uma olhada)", r"o que voces vendem", r"voces vendem",
            r"que tipos?", r"um dia",
        ),
    ),
)  # fmt: skip
OBJECTIONS = (
    ("price", _any(r"expensive", r"budget", r"car[oa]s?\b", r"presupuesto", r"orcamento")),
    ("wants to think", _any(r"think about it", r"pensar", r"pienso")),
    ("delivery time", _any(r"how long does", r"cuanto tarda", r"quanto tempo demora", r"too long", r"demora")),
    ("size", _any(r"too (?:small|big)", r"what sizes?", r"que tallas?", r"que tamanhos?")),
)

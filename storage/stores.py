"""Stores with their numbers and shops, and how their secrets are opened."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import Number, Shop, Store
from models.warm_up import NONE
from policies.throughput import messages_per_second
from storage.secrets import Cipher, SecretKeyError, derive, new_salt


class UnknownStoreError(LookupError):
    """No store has that name, or a name is needed because there are several."""


class StoreExistsError(Exception):
    """The slug, the number or the shop is taken already."""


@dataclass(frozen=True, slots=True)
class NewStore:
    """What `store add` was told; secrets are still plain here. `alert_emails` of None leaves a known store's own.

    `salt` (32 bytes in hex) is drawn if left out. `stop_words`, `warm_up` and `messages_per_second` of None leave a
    known store's own as they are. `warm_up` is as `models.warm_up.WarmUp` writes it, or its word for none. `crm_url` of
    None leaves a known store's too, and the same word takes it away; it comes with a secret unless the store has one.
    """

    slug: str
    time_zone: str
    currency: str
    languages: tuple[str, ...]
    default_region: str | None
    phone_number_id: str
    waba_id: str
    portfolio_id: str | None
    whatsapp_token: str
    whatsapp_app_secret: str
    whatsapp_verify_token: str
    shop_domain: str
    shop_token: str
    shop_webhook_secrets: tuple[str, ...]
    shop_endpoint: str | None = None
    whatsapp_endpoint: str | None = None
    salt: str | None = None
    stop_words: tuple[str, ...] | None = None
    alert_emails: tuple[str, ...] | None = None
    warm_up: str | None = None
    messages_per_second: int | None = None
    crm_url: str | None = None
    crm_secret: str | None = None


@dataclass(frozen=True, slots=True)
class StoreParts:
    """A store with the number that it sends from and the shop that it reads."""

    store: Store
    number: Number
    shop: Shop

    @property
    def id(self) -> int:
        """The store's id."""
        return required_id(self.store.id)

    @property
    def shop_queue(self) -> str:
        """The task queue whose server-side rate is the shop's."""
        return f"shopify-{self.shop.domain}"

    @property
    def whatsapp_queue(self) -> str:
        """The task queue whose server-side rate is the number's."""
        return f"whatsapp-{self.number.phone_number_id}"

    @property
    def whatsapp_rate(self) -> int:
        """Messages a second that the number may send."""
        return messages_per_second(self.number.messages_per_second, self.number.throughput)


def required_id(value: int | None) -> int:
    """The id of a row that came from the database, where it is never missing."""
    if value is None:
        msg = "the row has not been stored yet"
        raise ValueError(msg)
    return value


async def add_store(session: AsyncSession, new: NewStore, *, cipher: Cipher, now: datetime) -> Store:
    """Create a store with its number and shop.

    Raises:
        StoreExistsError: the slug, the phone number id or the shop domain is taken.
    """
    for column, value, what in (
        (col(Store.slug), new.slug, "a store"),
        (col(Number.phone_number_id), new.phone_number_id, "a number"),
        (col(Shop.domain), new.shop_domain, "a shop"),
    ):
        if (await session.exec(select(column).where(column == value))).first() is not None:
            msg = f"there is {what} {value!r} already"
            raise StoreExistsError(msg)
    store = Store(
        slug=new.slug,
        time_zone=new.time_zone,
        currency=new.currency,
        languages=list(new.languages),
        stop_words=list(new.stop_words or ()),
        alert_emails=list(new.alert_emails or ()),
        default_region=new.default_region,
        salt_secret=cipher.encrypt(new.salt or new_salt()),
        created_at=now,
    )
    _set_crm(store, new, cipher)
    session.add(store)
    await session.flush()
    store_id = required_id(store.id)
    session.add(
        Number(
            store_id=store_id,
            phone_number_id=new.phone_number_id,
            waba_id=new.waba_id,
            portfolio_id=new.portfolio_id,
            token_secret=cipher.encrypt(new.whatsapp_token),
            app_secret=cipher.encrypt(new.whatsapp_app_secret),
            verify_token_secret=cipher.encrypt(new.whatsapp_verify_token),
            endpoint=new.whatsapp_endpoint,
            warm_up=None if new.warm_up == NONE else new.warm_up,
            messages_per_second=new.messages_per_second,
        )
    )
    session.add(
        Shop(
            store_id=store_id,
            domain=new.shop_domain,
            token_secret=cipher.encrypt(new.shop_token),
            webhook_secrets=[cipher.encrypt(secret) for secret in new.shop_webhook_secrets],
            endpoint=new.shop_endpoint,
        )
    )
    return store


async def renew_store(session: AsyncSession, new: NewStore, *, cipher: Cipher, now: datetime) -> Store:
    """Replace what an existing store was told, above all its secrets; its salt, and so its holdout, stays.

    The webhook secret before stays valid beside the new one, because Shopify signs with it for a while longer.

    Raises:
        UnknownStoreError: there is no such store.
    """
    found = await find_store(session, new.slug)
    parts = await store_parts(session, found.id)
    store, number, shop = parts.store, parts.number, parts.shop
    store.time_zone, store.currency = new.time_zone, new.currency
    store.languages, store.default_region = list(new.languages), new.default_region
    if new.stop_words is not None:
        store.stop_words = list(new.stop_words)
    if new.alert_emails is not None:
        store.alert_emails = list(new.alert_emails)
    _set_crm(store, new, cipher)
    number.phone_number_id, number.waba_id, number.portfolio_id = new.phone_number_id, new.waba_id, new.portfolio_id
    number.token_secret = cipher.encrypt(new.whatsapp_token)
    number.app_secret = cipher.encrypt(new.whatsapp_app_secret)
    number.verify_token_secret = cipher.encrypt(new.whatsapp_verify_token)
    number.endpoint = new.whatsapp_endpoint
    if new.messages_per_second is not None:
        number.messages_per_second = new.messages_per_second
    if new.warm_up is not None:
        number.warm_up, number.counts_from = None if new.warm_up == NONE else new.warm_up, now
    number.credential_ok = shop.credential_ok = True
    shop.uninstalled_at = None
    kept = [
        secret
        for secret in shop.webhook_secrets[:1]
        if _opened(cipher, secret) not in {None, *new.shop_webhook_secrets}
    ]
    shop.domain, shop.endpoint = new.shop_domain, new.shop_endpoint
    shop.token_secret = cipher.encrypt(new.shop_token)
    shop.webhook_secrets = [*(cipher.encrypt(secret) for secret in new.shop_webhook_secrets), *kept]
    session.add_all((store, number, shop))
    await session.flush()
    return store


def _set_crm(store: Store, new: NewStore, cipher: Cipher) -> None:
    if new.crm_url == NONE:
        store.crm_url = store.crm_secret = None
    elif new.crm_url is not None:
        store.crm_url = new.crm_url
        if new.crm_secret is not None:
            store.crm_secret = cipher.encrypt(new.crm_secret)


def _opened(cipher: Cipher, secret: str) -> str | None:
    try:
        return cipher.decrypt(secret)
    except SecretKeyError:
        return None


async def all_stores(session: AsyncSession) -> list[StoreParts]:
    """Every store that can work, by slug."""
    rows = await session.exec(
        select(Store, Number, Shop)
        .join(Number, col(Number.store_id) == col(Store.id))
        .join(Shop, col(Shop.store_id) == col(Store.id))
        .order_by(col(Store.slug))
    )
    return [StoreParts(store, number, shop) for store, number, shop in rows]


async def store_parts(session: AsyncSession, store_id: int) -> StoreParts:
    """The parts of one store.

    Raises:
        UnknownStoreError: there is no such store.
    """
    row = (
        await session.exec(
            select(Store, Number, Shop)
            .join(Number, col(Number.store_id) == col(Store.id))
            .join(Shop, col(Shop.store_id) == col(Store.id))
            .where(col(Store.id) == store_id)
        )
    ).first()
    if row is None:
        msg = f"there is no store with the id {store_id}"
        raise UnknownStoreError(msg)
    return StoreParts(*row)


async def find_store(session: AsyncSession, slug: str | None) -> StoreParts:
    """The store of that name; without a name the only one there is.

    Raises:
        UnknownStoreError: no such store, none at all, or several and no name.
    """
    stores = await all_stores(session)
    if slug is not None:
        for parts in stores:
            if parts.store.slug == slug:
                return parts
        names = ", ".join(parts.store.slug for parts in stores) or "none yet"
        msg = f"there is no store {slug!r}; the stores are: {names}"
        raise UnknownStoreError(msg)
    if not stores:
        msg = "there is no store yet: add one with `starter.py store add`, or run `starter.py up` for the sandbox's"
        raise UnknownStoreError(msg)
    if len(stores) > 1:
        msg = f"there are several stores, name one with --store: {', '.join(parts.store.slug for parts in stores)}"
        raise UnknownStoreError(msg)
    return stores[0]


async def shop_answers(session: AsyncSession, shop_id: int) -> None:
    """The shop takes our token: an app that was removed is back. The health watch releases whoever waits for it."""
    shop = await session.get(Shop, shop_id)
    if shop is not None:
        shop.credential_ok, shop.uninstalled_at = True, None


async def number_of(session: AsyncSession, phone_number_id: str) -> Number | None:
    """The number with Meta's id, if it is one of ours."""
    return (await session.exec(select(Number).where(col(Number.phone_number_id) == phone_number_id))).first()


def holdout_salt(store: Store, cipher: Cipher) -> bytes:
    """The key of the store's holdout draws."""
    return derive(cipher.decrypt(store.salt_secret), "holdout")


def suppression_key(store: Store, cipher: Cipher) -> bytes:
    """The key of the store's suppression hashes."""
    return suppression_key_from(cipher.decrypt(store.salt_secret))


def suppression_key_from(salt: str) -> bytes:
    """The same for a salt that is open already."""
    return derive(salt, "suppression")

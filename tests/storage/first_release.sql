-- A few rows as the first release wrote them.
INSERT INTO store (id, slug, time_zone, currency, languages, salt_secret, created_at)
VALUES (1, 'shop', 'Europe/Madrid', 'EUR', '[]', 'x', '2026-11-01 10:00:00+00:00');
INSERT INTO number (id, store_id, phone_number_id, waba_id, token_secret, app_secret, verify_token_secret, credential_ok)
VALUES (1, 1, '100', '200', 'x', 'x', 'x', true);
INSERT INTO customer (id, store_id, phone, phone_synthetic, consent, opted_out_at, opt_out_source)
VALUES (1, 1, '+447700900001', false, 'subscribed', '2026-11-01 10:00:00+00:00', 'stop_word');
INSERT INTO customer (id, store_id, phone, phone_synthetic, consent, opted_out_at, opt_out_source)
VALUES (2, 1, '+447700900002', false, 'subscribed', '2026-11-01 10:00:00+00:00', 'whatsapp_preference');
INSERT INTO customer (id, store_id, phone, phone_synthetic, consent)
VALUES (3, 1, '+447700900003', false, 'subscribed');
INSERT INTO conversation (id, store_id, number_id, customer_id, is_open, context)
VALUES (1, 1, 1, 1, true, '{}');
INSERT INTO chat_message (id, conversation_id, wamid, inbound, kind, text, at)
VALUES (1, 1, 'wamid.1', true, 'text', 'hello', '2026-11-01 10:00:00+00:00');
INSERT INTO chat_message (id, conversation_id, wamid, inbound, kind, text, at, attempt_id)
VALUES (2, 1, 'wamid.2', false, 'template', 'hi', '2026-11-01 10:00:00+00:00', 'enr-1:1:1:1');

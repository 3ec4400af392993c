// The platform's own library as the signer: from {apiKey, apiSecret, shop, body} on stdin, a webhook's signature, a
// proxied request's address and a session token, each as its test helpers make them.
import '@shopify/shopify-api/adapters/node';
import { RequestType, getHmac, getJwt, setUpValidRequest } from '@shopify/shopify-api/test-helpers';

let text = '';
for await (const piece of process.stdin) text += piece;
const { apiKey, apiSecret, shop, body } = JSON.parse(text);
const store = shop.split('.')[0];
const bare = 'https://app.example.com/storefront?path_prefix=%2Fapps%2Frebloom&logged_in_customer_id=7&q=a+b%26c';
const proxied = await setUpValidRequest({ type: RequestType.Public, store, apiSecretKey: apiSecret }, new Request(bare));
const now = Math.trunc(Date.now() / 1000);
const claims = { iss: `https://${shop}/admin`, exp: now + 60, nbf: now, iat: now };
const { token } = await getJwt(store, apiKey, apiSecret, claims);
process.stdout.write(JSON.stringify({ webhook: getHmac(body, apiSecret), proxied: proxied.url, token }));

// The platform's own library as a judge of what we sign and accept. Reads {apiKey, apiSecret, cases: [...]} as JSON on
// stdin, writes one verdict a case. Its clock is the machine's, so cases must be signed for now.
import '@shopify/shopify-api/adapters/node';
import { shopifyApi } from '@shopify/shopify-api';

let text = '';
for await (const piece of process.stdin) text += piece;
const { apiKey, apiSecret, cases } = JSON.parse(text);
const api = shopifyApi({
  apiKey,
  apiSecretKey: apiSecret,
  scopes: ['read_products'],
  hostName: 'app.example.com',
  apiVersion: '2026-10',
  isEmbeddedApp: true,
  logger: { level: 0 },
});
const judges = {
  install: ({ params }) => api.utils.validateHmac(params),
  proxy: ({ params }) => api.utils.validateHmac(params, { signator: 'appProxy' }),
  webhook: async ({ body, headers }) =>
    (await api.webhooks.validate({ rawBody: body, rawRequest: { method: 'POST', url: '/webhooks', headers } })).valid,
  session: async ({ token }) => (await api.session.decodeSessionToken(token)).dest !== undefined,
  shop: async ({ shop }) => api.utils.sanitizeShop(shop) === shop,
};
const verdicts = [];
for (const one of cases) {
  try {
    verdicts.push(Boolean(await judges[one.kind](one)));
  } catch {
    verdicts.push(false);
  }
}
process.stdout.write(JSON.stringify(verdicts));

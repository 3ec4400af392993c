// The platform's own library judges what the dev shop signed. Reads {"key", "secret", cases: [{kind, …}]} from stdin,
// prints a list of booleans.
import '@shopify/shopify-api/adapters/node';
import {shopifyApi} from '@shopify/shopify-api';

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const {key, secret, cases} = JSON.parse(Buffer.concat(chunks).toString());
const api = shopifyApi({
  apiKey: key, apiSecretKey: secret, scopes: ['read_products'], hostName: 'app.example.com', apiVersion: '2026-10',
  isEmbeddedApp: true, logger: {level: 0},
});
const judges = {
  oauth: ({query}) => api.utils.validateHmac(query),
  proxy: ({query}) => api.utils.validateHmac(query, {signator: 'appProxy'}),
  webhook: async ({body, headers}) =>
    (await api.webhooks.validate({rawBody: body, rawRequest: {method: 'POST', url: '/webhooks', headers}})).valid,
  session: async ({token, shop}) => (await api.session.decodeSessionToken(token)).dest === `https://${shop}`,
};
const verdicts = [];
for (const each of cases) verdicts.push(await judges[each.kind](each).catch(() => false));
process.stdout.write(JSON.stringify(verdicts));

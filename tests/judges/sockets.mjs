// What the client graphql-ws makes of our endpoint: `node sockets.mjs URL TOKEN`, JSON on stdout, "listening" on stderr
// when the subscription stands.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, token] = process.argv.slice(2);
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: `Bearer ${token}` },
  retryAttempts: 0,
});
const once = (query, variables) =>
  new Promise((resolve, reject) => {
    const results = [];
    client.subscribe({ query, variables }, { next: (r) => results.push(r), error: reject, complete: () => resolve(results) });
  });

const changes = client.iterate({ query: "subscription { stageChanged { to { key } customer { id } } }" });
const first = changes.next();
const page = await once("{ customers(first: 2, sortKey: ID) { nodes { id } } }");
const made = await once(
  "mutation Make($name: String!) { segmentCreate(name: $name, query: \"number_of_orders >= 2\") { segment { name } userErrors { code } } }",
  { name: "From a socket" },
);
const large = await once("{ customers(first: 251) { nodes { id } } }");
const invalid = await once("{ nothing }").catch((errors) => errors);
const refused = [large[0].errors[0].extensions.code, invalid[0].extensions.code];
const sync = client.iterate({ query: "subscription { syncProgress { phase } }" });
const progress = (await sync.next()).value;
await sync.return();
console.error("listening");
const change = (await first).value;
await changes.return();
await client.dispose();
console.log(JSON.stringify({ page: page[0].data, made: made[0].data, refused, progress: progress.data, change: change.data }));
